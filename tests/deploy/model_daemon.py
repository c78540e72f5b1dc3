"""A pageferryd of a test's own, with the model backend."""

import os
import pathlib
import re
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = os.environ["PAGEFERRY_BIN"]


HOSTILE_MIX = ROOT / "server/model/scenarios/hostile-mix.textproto"


class ModelDaemon:
    """`scenario`: a file."""

    def __init__(self, scenario=HOSTILE_MIX):
        self._folder = tempfile.TemporaryDirectory(prefix="pageferry-")
        self._endpoint = f"unix://{self._folder.name}/s"
        log_path = pathlib.Path(self._folder.name, "log")
        with open(log_path, "w", encoding="utf-8") as log:
            self._process = subprocess.Popen(
                [f"{BIN}/pageferryd", "--backend=model", "--scenario",
                 scenario, "--listen", self._endpoint, "--metrics-address",
                 "127.0.0.1:0"], stderr=log)
        while '"ready"' not in log_path.read_text("utf-8"):
            if self._process.poll() is not None:
                raise AssertionError(log_path.read_text("utf-8"))
            time.sleep(0.05)
        # Where it can be scraped: "127.0.0.1:4711".
        self.address = re.search('"metrics_address":"([^"]*)"',
                                 log_path.read_text("utf-8")).group(1)

    def cli(self, *arguments):
        """`pageferry --json` with these arguments, when it has ended."""
        return subprocess.run(
            [f"{BIN}/pageferry", "--endpoint", self._endpoint, "--json",
             *arguments], capture_output=True, text=True, check=False)

    def samples(self):
        """{"name{labels}": value} of a scrape."""
        with urllib.request.urlopen(f"http://{self.address}/metrics") as reply:
            lines = reply.read().decode().splitlines()
        samples = (line.rsplit(" ", 1) for line in lines if line[0] != "#")
        return {name: float(value) for name, value in samples}

    def sum_of(self, family):
        """Over all its series."""
        return sum(value for name, value in self.samples().items()
                   if name.partition("{")[0] == family)

    def close(self):
        self._process.terminate()
        self._process.wait()
        self._folder.cleanup()
