"""A pageferryd of a test's own, with the model backend."""

import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests/support"))
from daemon import Daemon  # noqa: E402, pylint: disable=wrong-import-position

HOSTILE_MIX = ROOT / "server/model/scenarios/hostile-mix.textproto"


class ModelDaemon(Daemon):
    """`scenario`: a file."""

    def __init__(self, scenario=HOSTILE_MIX):
        super().__init__("--backend=model", "--scenario", str(scenario))

    def sum_of(self, family):
        """Over all series of a scrape."""
        return sum(value for name, value in self.metrics().items()
                   if name.partition("{")[0] == family)
