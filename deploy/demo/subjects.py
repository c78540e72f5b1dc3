"""Whose memory the show moves, and who else can say where it is then."""

import collections
import json
import os
import pathlib
import re
import subprocess

PAGE = 4096
PAGES = 20000
# One page that something holds a reference to, and one never touched: what
# makes move_pages(2) lose its tongue.
PINNED, HOLE = 1000, 2000
SCENARIO = "server/model/scenarios/hostile-mix.textproto"


def pages_of(runs):
    """{address: run}, of results or locations in JSON."""
    return {int(run["start_address"]) + i * PAGE: run
            for run in runs for i in range(run["page_count"])}


def memory_nodes():
    """Ids of this machine's NUMA nodes that have memory."""
    text = pathlib.Path("/sys/devices/system/node/has_memory").read_text(
        encoding="ascii")
    nodes = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        nodes += range(int(first), int(last or first) + 1)
    return nodes


class RealProcess:
    """A process that keeps writing to its memory. Where that is, the kernel
    says in /proc/PID/numa_maps, which knows nothing of Pageferry."""

    daemon_options = ()
    introduction = (
        f"A process with {PAGES} pages, two threads writing all the while, one "
        f"page pinned (index {PINNED}), one never touched (index {HOLE}):")
    witness = "numa_maps"

    def __init__(self, programs, _):
        self.home, self.away = memory_nodes()[:2]
        # Balancing would move pages on its own account and spoil the check.
        self._knob = pathlib.Path("/proc/sys/kernel/numa_balancing")
        self._balancing = None
        if self._knob.exists():
            self._balancing = self._knob.read_text(encoding="ascii")
            self._knob.write_text("0", encoding="ascii")
        self._process = subprocess.Popen(
            [os.path.join(programs, "pageferry_target"), "--region",
             f"anon:{PAGES}:{self.home},pin={PINNED},hole={HOLE}",
             "--threads", "2"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        ready = json.loads(self._process.stdout.readline())
        self.pid = ready["pid"]
        self._start = ready["regions"][0]["start"]

    def selection(self, _):
        return ["--range", f"{self._start:#x}:{PAGES}"]

    def disagreement(self, to, results):
        """Text of what the witness saw, and what is wrong with it or None."""
        found = collections.Counter()
        with open(f"/proc/{self.pid}/numa_maps", encoding="ascii") as text:
            for line in text:
                words = line.split()
                if int(words[0], 16) == self._start:
                    found.update({int(node): int(pages) for node, pages in
                                  re.findall(r"\bN(\d+)=(\d+)", line)})
        placed = sum(result["outcome"] in (
            "PAGE_OUTCOME_MOVED", "PAGE_OUTCOME_ALREADY_PLACED")
            for result in results.values())
        seen = ", ".join(f"{count} on node {node}"
                         for node, count in sorted(found.items()))
        if len(results) != PAGES:
            return seen, f"{len(results)} results for {PAGES} pages"
        if found[to] != placed:
            return seen, f"{placed} said on node {to}, {found[to]} found there"
        return seen, None

    def end(self):
        """What became of its memory, and what is wrong with that or None."""
        answer, _ = self._process.communicate("stop\n")
        if self._balancing is not None:
            self._knob.write_text(self._balancing, encoding="ascii")
        answer = json.loads(answer)
        return (f"The target checked {answer['checked_pages']} pages",
                None if answer["intact"] else f"stores were lost: {answer}")


class ModelledProcess:
    """A process of a scenario. Where its memory is, its page tables say: a
    later call of `pageferry locate`, which reads nothing else."""

    daemon_options = ("--backend=model", "--scenario", SCENARIO)
    introduction = (
        f"The process \"everything\" of {SCENARIO}: anonymous, huge, hugetlb "
        "and merged memory, swap cache, files of four file systems, a balloon; "
        "two threads writing all the while; locks, pins, writeback and "
        "truncation on 8 % of its pages:")
    witness = "locate"

    def __init__(self, _, cli):
        self._cli = cli
        self.home, self.away = 0, 1
        self.pid = 100

    def selection(self, origin):
        return ["--all", "--from", origin]

    def disagreement(self, _, results):
        """As of RealProcess; but each page is compared by itself."""
        done = self._cli("--json", "locate", "--pid", self.pid)
        runs = [run for line in done.stdout.splitlines()
                for run in json.loads(line)["locations"]]
        located = pages_of(runs)
        counts = collections.Counter(
            run.get("node") for run in located.values())
        seen = ", ".join(f"{count} on node {node}" for node, count
                         in sorted(counts.items(), key=str))
        wrong = [address for address, result in results.items()
                 if result.get("node") !=
                 located.get(address, {}).get("node")]
        if not results:
            return seen, "no results"
        if wrong:
            return seen, (f"{len(wrong)} pages are not where their results "
                          f"say, the first {min(wrong):#x}")
        return seen, None

    def end(self):
        """None: the daemon tells of its threads when it ends."""
        return None
