"""The show of deploy/demo.sh, on a machine with two NUMA nodes.

    show.py FOLDER_WITH_THE_PROGRAMS

Starts pageferryd and a process that keeps writing to its memory, moves that
memory to the other node and back in each mode, and checks every page by
/proc/PID/numa_maps, which knows nothing of Pageferry. The last line says what
happened; exit code 0 if all of it was right.
"""

import collections
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.request

PAGES = 20000
# One page that something holds a reference to, and one never touched: what
# makes move_pages(2) lose its tongue.
PINNED, HOLE = 1000, 2000
PAGE = 4096


def say(text=""):
    print(text, flush=True)


def memory_nodes():
    text = pathlib.Path("/sys/devices/system/node/has_memory").read_text(
        encoding="ascii")
    nodes = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        nodes += range(int(first), int(last or first) + 1)
    return nodes


def numa_maps(pid, start):
    """Pages by node of the mapping at `start`, as the kernel counts them."""
    with open(f"/proc/{pid}/numa_maps", encoding="ascii") as text:
        for line in text:
            words = line.split()
            if int(words[0], 16) == start:
                return {int(node): int(pages) for node, pages in
                        re.findall(r"\bN(\d+)=(\d+)", line)}
    return {}


class Show:
    """One daemon, one target, and the books of what was seen."""

    def __init__(self, programs):
        self.programs = programs
        self.folder = tempfile.TemporaryDirectory(prefix="pageferry-demo-")
        self.endpoint = f"unix://{self.folder.name}/pageferry.sock"
        self.log_path = os.path.join(self.folder.name, "log")
        self.moved = self.verified = 0
        self.wrong = []

    def cli(self, *arguments, json_lines=False):
        command = [os.path.join(self.programs, "pageferry"),
                   "--endpoint", self.endpoint]
        command += ["--json"] if json_lines else []
        return subprocess.run([*command, *map(str, arguments)], text=True,
                              stdout=subprocess.PIPE, check=False)

    def start_daemon(self):
        with open(self.log_path, "w", encoding="utf-8") as log:
            self.daemon = subprocess.Popen(
                [os.path.join(self.programs, "pageferryd"), "--listen",
                 self.endpoint, "--metrics-address", "127.0.0.1:0"],
                stderr=log)
        while self.cli_quiet("health") != 0:
            if self.daemon.poll() is not None:
                sys.exit("pageferryd ended: " + self.read_log())
            time.sleep(0.05)

    def cli_quiet(self, *arguments):
        return subprocess.run(
            [os.path.join(self.programs, "pageferry"), "--endpoint",
             self.endpoint, *arguments], stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, check=False).returncode

    def read_log(self):
        with open(self.log_path, encoding="utf-8") as log:
            return log.read()

    def start_target(self, node):
        self.target = subprocess.Popen(
            [os.path.join(self.programs, "pageferry_target"), "--region",
             f"anon:{PAGES}:{node},pin={PINNED},hole={HOLE}", "--threads", "2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self.target.stdout.readline())
        self.pid = ready["pid"]
        self.start = ready["regions"][0]["start"]

    def metrics(self):
        """Samples of the counters, by name with labels."""
        lines = (json.loads(line) for line in self.read_log().splitlines())
        address = next(line["metrics_address"] for line in lines
                       if "metrics_address" in line)
        with urllib.request.urlopen(f"http://{address}/metrics") as reply:
            text = reply.read().decode()
        samples = (line.rsplit(" ", 1) for line in text.splitlines()
                   if line.startswith("pageferry_"))
        return {name: float(value) for name, value in samples}

    def migrate(self, mode, to):
        say(f"-- pageferry migrate --pid {self.pid} --to {to} --mode {mode} "
            f"--range {self.start:#x}:{PAGES}")
        done = self.cli("migrate", "--pid", self.pid, "--to", to, "--mode",
                        mode, "--range", f"{self.start}:{PAGES}",
                        json_lines=True)
        outcomes = collections.Counter()
        pages = 0
        for line in done.stdout.splitlines():
            event = json.loads(line)
            kind = next(iter(event))
            if kind == "results":
                for result in event["results"]["results"]:
                    outcome = (result["outcome"] + " " +
                               result.get("reason", "")).strip()
                    outcomes[re.sub(r"PAGE_(OUTCOME|REASON)_", "", outcome)] \
                        += result["page_count"]
                    pages += result["page_count"]
            elif kind == "pass_completed":
                figures = event[kind]
                say(f"   pass {figures.get('pass', 0)}"
                    f"{' forced' if figures.get('forced') else ''}: moved "
                    f"{figures.get('moved_pages', 0)}, again "
                    f"{figures.get('retry_pages', 0)}, failed "
                    f"{figures.get('failed_pages', 0)}")
            elif kind == "summary":
                summary = event[kind]
                say(f"   {summary['stop_reason'].removeprefix('STOP_REASON_')}"
                    f" after {summary['elapsed']}, "
                    f"{summary.get('kernel_calls', 0)} kernel calls, the "
                    f"longest {summary.get('longest_kernel_call', '0s')}")
        for outcome, count in sorted(outcomes.items()):
            say(f"   {count:>6} {outcome}")
        self.check(to, pages, outcomes)

    def check(self, to, pages, outcomes):
        """The truth check: results against the kernel's own books."""
        found = numa_maps(self.pid, self.start)
        there = found.get(to, 0)
        placed = outcomes["MOVED"] + outcomes["ALREADY_PLACED"]
        say(f"   numa_maps says: " + ", ".join(
            f"{count} on node {node}" for node, count in sorted(found.items())))
        self.moved += outcomes["MOVED"]
        if pages == PAGES and there == placed:
            self.verified += outcomes["MOVED"]
            say("   every page reported once, and numa_maps agrees")
        else:
            self.wrong.append(f"{pages} results for {PAGES} pages, {placed} "
                              f"said on node {to}, {there} found there")
            say("   WRONG: " + self.wrong[-1])

    def stop(self):
        self.target.stdin.write("stop\n")
        self.target.stdin.flush()
        answer = json.loads(self.target.stdout.readline())
        self.target.wait()
        if not answer["intact"]:
            self.wrong.append(f"the target lost stores: {answer}")
        self.daemon.terminate()
        self.daemon.wait()
        if self.daemon.returncode != 0:
            self.wrong.append(f"pageferryd exited {self.daemon.returncode}: "
                              + self.read_log())
        return answer


def main(programs):
    nodes = memory_nodes()
    if len(nodes) < 2:
        sys.exit("show.py: this machine has memory on one NUMA node only; "
                 "deploy/demo.sh without --native brings its own")
    home, away = nodes[0], nodes[1]
    # Balancing would move pages on its own account and spoil the check.
    knob = pathlib.Path("/proc/sys/kernel/numa_balancing")
    balancing = knob.read_text(encoding="ascii") if knob.exists() else None
    if balancing is not None:
        knob.write_text("0", encoding="ascii")
    show = Show(programs)
    try:
        show.start_daemon()
        say("-- pageferry topology")
        say(show.cli("topology").stdout)
        show.start_target(home)
        say(f"A process with {PAGES} pages, two threads writing all the while, "
            f"one page pinned (index {PINNED}), one never touched (index "
            f"{HOLE}):")
        before = show.metrics()
        for mode in ("async", "sync-light", "sync"):
            for node in (away, home):
                show.migrate(mode, node)
        say("-- metrics that changed")
        for name, value in sorted(show.metrics().items()):
            change = value - before.get(name, 0)
            if change and "_bucket" not in name and "node_memory" not in name:
                say(f"   {name} +{change:g}")
        answer = show.stop()
        say(f"The target checked {answer['checked_pages']} pages: "
            f"{'every store is there' if answer['intact'] else 'STORES LOST'}")
    finally:
        if balancing is not None:
            knob.write_text(balancing, encoding="ascii")
    if show.wrong:
        say(f"demo: FAILED: {'; '.join(show.wrong)}")
        return 1
    say(f"demo: {show.moved} pages moved, {show.verified} of them verified by "
        f"an independent look, between nodes {home} and {away} in three modes; "
        "memory intact")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
