"""Runs the cases against one backend and writes what came of them, as JSON.

    observe.py kernel|model OUTPUT      (PAGEFERRY_BIN: the programs' folder)
"""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time

from cases import ADDRESS, CASES, MODES, scenario

BIN = os.environ["PAGEFERRY_BIN"]
HUGE_POOL = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"


class Daemon:
    """A pageferryd on a socket in a folder of its own."""

    def __init__(self, *options):
        self.folder = tempfile.TemporaryDirectory(prefix="pageferry-")
        self.endpoint = f"unix://{self.folder.name}/pageferry.sock"
        self.process = subprocess.Popen(
            [f"{BIN}/pageferryd", "--listen", self.endpoint,
             "--metrics-address", "off", *options])
        while self.cli("health").returncode != 0:
            if self.process.poll() is not None:
                sys.exit("pageferryd ended")
            time.sleep(0.05)

    def cli(self, *arguments):
        return subprocess.run(
            [f"{BIN}/pageferry", "--endpoint", self.endpoint, "--json",
             *map(str, arguments)], capture_output=True, text=True,
            check=False)

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.folder.cleanup()


def observe(daemon, pid, start, case, mode):
    """Pages by outcome and reason, and by the node they are on afterwards."""
    pages = f"{start}:{case.pages}"
    done = daemon.cli("migrate", "--pid", pid, "--to", 1, "--mode", mode,
                      "--range", pages, *case.options)
    outcomes, places = {}, {}
    for line in done.stdout.splitlines():
        for result in json.loads(line).get("results", {}).get("results", []):
            key = result["outcome"].removeprefix("PAGE_OUTCOME_")
            if "reason" in result:
                key += " " + result["reason"].removeprefix("PAGE_REASON_")
            outcomes[key] = outcomes.get(key, 0) + result["page_count"]
    if sum(outcomes.values()) != case.pages:
        sys.exit(f"{case.name}, {mode}: {done.stdout} {done.stderr}")
    located = daemon.cli("locate", "--pid", pid, "--range", pages)
    for line in located.stdout.splitlines():
        for location in json.loads(line)["locations"]:
            place = (f"node {location['node']}" if "node" in location
                     else "nowhere")
            places[place] = places.get(place, 0) + location["page_count"]
    return {"outcomes": outcomes, "places": places}


@contextlib.contextmanager
def kernel_process(case):
    """A real process in the case's state: pid and address."""
    target = subprocess.Popen(
        [f"{BIN}/pageferry_target", "--region", case.target, "--idle"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    ready = json.loads(target.stdout.readline())
    region = ready["regions"][0]
    if not region["ok"]:
        sys.exit(f"{case.name}: {region['note']}")
    yield ready["pid"], region["start"]
    target.communicate("stop\n")


def kernel():
    with open("/proc/sys/kernel/numa_balancing", "w", encoding="ascii") as knob:
        knob.write("0")
    with open(HUGE_POOL, "w", encoding="ascii") as pool:
        pool.write("8")
    daemon = Daemon()
    for case in CASES:
        for mode in MODES:
            with kernel_process(case) as (pid, start):
                yield case, mode, observe(daemon, pid, start, case, mode)
    daemon.close()


def model():
    text, pids = scenario()
    with tempfile.NamedTemporaryFile("w", suffix=".textproto") as file:
        file.write(text)
        file.flush()
        daemon = Daemon("--backend=model", "--scenario", file.name)
        for case in CASES:
            for mode in MODES:
                yield case, mode, observe(daemon, pids[case.name, mode],
                                          ADDRESS, case, mode)
        daemon.close()


def main(backend, output):
    seen = [[case.name, mode, what] for case, mode, what in
            {"kernel": kernel, "model": model}[backend]()]
    with open(output, "w", encoding="utf-8") as file:
        json.dump(seen, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
