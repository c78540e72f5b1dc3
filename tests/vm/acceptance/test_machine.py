"""The machine that the other tests run in."""

import pathlib
import subprocess
import sys
import unittest

from support import MachineTest, set_numa_balancing, wait_for

CGROUP = pathlib.Path("/sys/fs/cgroup/switches")
STATISTICS = pathlib.Path("/sys/fs/cgroup/cgroup.stat")
# Has the kernel allocate and free pages all the time.
ALLOCATE = """
import mmap
while True:
    with mmap.mmap(-1, 4 << 20) as memory:
        memory[::4096] = bytes(1024)
"""


def dying_cgroups():
    figures = dict(line.split() for line in
                   STATISTICS.read_text("ascii").splitlines())
    return int(figures["nr_dying_descendants"])


class CodeThatChanges(MachineTest):

    def test_the_machine_lives_through_switches_of_static_keys(self):
        """While the code that is switched runs. What is wrong ends the
        machine."""
        for _ in range(2):
            busy = subprocess.Popen(  # pylint: disable=consider-using-with
                [sys.executable, "-c", ALLOCATE])
            self.addCleanup(busy.wait)
            self.addCleanup(busy.kill)
        before = dying_cgroups()  # others have left their memory behind
        for _ in range(100):
            CGROUP.mkdir()
            CGROUP.rmdir()
            wait_for(lambda: dying_cgroups() <= before, "the end of a cgroup")
        for _ in range(20):
            set_numa_balancing(1)
            set_numa_balancing(0)
        self.assertIsNone(busy.poll())


if __name__ == "__main__":
    unittest.main()
