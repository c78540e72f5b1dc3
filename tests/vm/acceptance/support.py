"""Starts daemons and targets in the two-node machine, and checks what every
migration has to satisfy."""

import contextlib
import json
import os
import pathlib
import subprocess
import sys
import unittest

import look

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] /
                       "support"))
from daemon import BIN, MODES, Daemon, wait_for  # noqa: E402, F401, pylint: disable=wrong-import-position, unused-import
from events import PAGE, Events  # noqa: E402, pylint: disable=wrong-import-position

KERNEL = os.environ["PAGEFERRY_VM_KERNEL"]


NUMA_BALANCING = pathlib.Path("/proc/sys/kernel/numa_balancing")


@contextlib.contextmanager
def one_cpu():
    """For what makes the kernel patch its own code: the emulator may keep what
    it translated of that code for another CPU (tests/vm/README.md)."""
    others = [cpu / "online" for cpu in
              pathlib.Path("/sys/devices/system/cpu").glob("cpu[1-9]*")]
    for online in others:
        online.write_text("0", "ascii")
    try:
        yield
    finally:
        for online in others:
            online.write_text("1", "ascii")


def set_numa_balancing(value):
    if int(NUMA_BALANCING.read_text("ascii")) == value:
        return
    with one_cpu():
        NUMA_BALANCING.write_text(str(value), "ascii")


class Target:
    """A pageferry_target; regions as its --region takes them. Unless
    `strict`, regions may fail to reach the state that was asked for."""

    def __init__(self, *regions, threads=1, options=(), strict=True):
        command = [os.path.join(BIN, "pageferry_target")]
        for region in regions:
            command += ["--region", region]
        # A rest now and then, or the writers leave an emulated machine no time
        # for anything else.
        command += ["--threads", str(threads), "--pause-us", "20000", *options]
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.ready = json.loads(self.process.stdout.readline() or "{}")
        assert self.ready, f"{command} did not start"
        for region in self.ready["regions"]:
            assert region["ok"] or not strict, f"{command}: {region['note']}"
        self.pid = self.ready["pid"]

    def region(self, index=0):
        return self.ready["regions"][index]

    def addresses(self, index=0):
        region = self.region(index)
        return [region["start"] + i * PAGE for i in range(region["pages"])]

    def span(self, index=0):
        """The region as --range takes it."""
        region = self.region(index)
        return f"{region['start']}:{region['pages']}"

    def ask(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def nodes(self, index=0):
        return look.locate(self.pid, self.addresses(index))

    def stop(self):
        """Ends it and returns what it found of its memory."""
        answer = self.ask("stop")
        self.process.wait(timeout=60)
        return answer

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()


class MachineTest(unittest.TestCase):
    """Base of all tests: no NUMA balancing unless a test asks for it, since it
    moves pages by itself."""

    maxDiff = 4000

    def setUp(self):
        set_numa_balancing(0)
        self.addCleanup(set_numa_balancing, 0)

    @classmethod
    def tearDownClass(cls):
        if cls.shared_daemon is not None:
            cls.shared_daemon.close()
            cls.shared_daemon = None

    shared_daemon = None

    def reserve_huge_pages(self, count):
        """So many hugetlb pages, over all nodes, until the test ends."""
        path = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages"

        def write(value):
            with open(path, "w", encoding="ascii") as pool:
                pool.write(value)

        with open(path, encoding="ascii") as pool:
            self.addCleanup(write, pool.read())
        write(str(count))

    def target(self, *regions, **keywords):
        target = Target(*regions, **keywords)
        self.addCleanup(target.close)
        return target

    def daemon(self):
        """The daemon that the tests of a class share: starting one takes
        seconds in an emulator. It has to be left serving."""
        cls = type(self)
        if cls.shared_daemon is None:
            cls.shared_daemon = Daemon()
        return cls.shared_daemon

    def own_daemon(self, *options, **keywords):
        """A daemon for one test."""
        daemon = Daemon(*options, **keywords)
        self.addCleanup(daemon.close)
        return daemon

    def migrate(self, daemon, target, *arguments, expect=0):
        done = daemon.cli("migrate", "--pid", target.pid, *arguments)
        self.assertEqual(done.returncode, expect,
                         done.stderr + done.stdout[-2000:] + daemon.log())
        return Events(done.stdout)

    def check_sums(self, events, requested):
        """Every page once, and sums that agree."""
        self.assertEqual(events.doubles, [])
        self.assertEqual(len(events.pages), requested)
        self.assertEqual(events.count("requested_pages"), requested)
        parts = {
            "MOVED": "moved_pages",
            "ALREADY_PLACED": "already_placed_pages",
            "FAILED": "failed_pages",
            "NOT_ATTEMPTED": "not_attempted_pages",
            "WOULD_MOVE": "would_move_pages",
        }
        counted = dict.fromkeys(parts, 0)
        for key, count in events.by_outcome().items():
            counted[key.split()[0]] += count
        for outcome, name in parts.items():
            self.assertEqual(counted[outcome], events.count(name), outcome)

    def check_truth(self, events, target):
        """Each result of a page that was looked at agrees with the look."""
        addresses = sorted(events.pages)
        found = look.locate(target.pid, addresses)
        lies = []
        for address, node in zip(addresses, found):
            result = events.pages[address]
            if "passes" not in result:
                continue  # nobody has looked at it
            said = result.get("node")
            if said is None:
                said = -1
            if node >= 0 and said != node or node < 0 and said >= 0:
                lies.append((hex(address), node, result))
        self.assertEqual(lies[:5], [], f"{len(lies)} results contradict the look")

    def check_intact(self, target):
        answer = target.stop()
        self.assertTrue(answer["intact"], answer)
