"""Asks the model about every state that it can show, in each mode, and writes
what was said and where the pages are then, as JSON.

    model.py 6.1|6.12 OUTPUT      (PAGEFERRY_BIN: the programs' folder)

The release names the kernel as which the model behaves. PAGEFERRY_STATES: only
states whose names this regular expression finds. With - as OUTPUT the
scenarios are written instead, for the eye.
"""

import contextlib
import json
import os
import pathlib
import re
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] /
                       "support"))
from asking import PAGE, Case, answer_case  # noqa: E402, pylint: disable=wrong-import-position
from daemon import MODES, Daemon  # noqa: E402, pylint: disable=wrong-import-position
from scenarios import SCENARIOS, START, machine_text, process_text  # noqa: E402, pylint: disable=wrong-import-position

WANTED = os.environ.get("PAGEFERRY_STATES", "")
FIRST_PID, PIDS_APART = 100, 10


def machines(release):
    """Scenario texts, each with the states that are in it: name to pid. Those
    that need a machine to themselves have one."""
    shared = {}
    for name, scenario in SCENARIOS.items():
        if not re.search(WANTED, name):
            continue
        if scenario.room is not None:
            yield (machine_text(release, scenario.room) +
                   process_text(scenario, FIRST_PID, release),
                   {name: FIRST_PID})
        else:
            shared[name] = FIRST_PID + PIDS_APART * len(shared)
    text = machine_text(release) + "".join(
        process_text(SCENARIOS[name], pid, release)
        for name, pid in shared.items())
    yield text, shared


def case_of(scenario, pid):
    addresses = scenario.addresses or [START + i * PAGE
                                       for i in scenario.indices]
    return Case(pid, addresses, to=scenario.to, nodes=scenario.nodes,
                shared=scenario.shared, arguments=scenario.arguments)


@contextlib.contextmanager
def running(text):
    with tempfile.NamedTemporaryFile("w", suffix=".textproto") as file:
        file.write(text)
        file.flush()
        # Metrics, which nobody reads here, take two seconds to end.
        with contextlib.closing(Daemon("--backend=model", "--scenario",
                                       file.name, metrics="off")) as daemon:
            yield daemon


def main(release, output):
    answers = []
    for text, pids in machines(release):
        if output == "-":
            print(text)
            continue
        # A machine for each mode, since what has moved stays where it is.
        for mode in MODES if pids else ():
            with running(text) as daemon:
                answers += [
                    (name, mode, *answer_case(case_of(SCENARIOS[name], pid),
                                              daemon, mode))
                    for name, pid in pids.items()]
    if output != "-":
        with open(output, "w", encoding="utf-8") as file:
            json.dump(answers, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
