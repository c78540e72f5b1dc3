"""The rules of the contract, kept towards a foreign client: the tests of
tests/wire, run here against a daemon and a target with two nodes."""

import os
import pathlib
import subprocess
import sys
import unittest

from support import MachineTest

WIRE = pathlib.Path(__file__).resolve().parents[2] / "wire"


class ForeignClients(MachineTest):

    def test_python_client(self):
        daemon = self.daemon()
        target = self.target("anon:4096:0")
        environment = dict(os.environ, PAGEFERRY_ENDPOINT=daemon.endpoint,
                           PAGEFERRY_TARGET_PID=str(target.pid),
                           PAGEFERRY_TARGET_ADDRESS=str(
                               target.region()["start"]),
                           PAGEFERRY_TARGET_PAGES=str(
                               target.region()["pages"]))
        done = subprocess.run(
            [sys.executable, "-B", str(WIRE / "wire_test.py")],
            env=environment, capture_output=True, text=True, check=False)
        print(done.stdout + done.stderr, flush=True)
        self.assertEqual(done.returncode, 0)
        self.check_intact(target)


if __name__ == "__main__":
    unittest.main()
