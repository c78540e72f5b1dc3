"""Whatever ends a migration: it ends soon, what was settled was streamed, the
sums are right and the target is unharmed."""

import json
import signal
import subprocess
import unittest

from support import Events, MachineTest, wait_for

PAGES = 100000


class EndsInTheMiddle(MachineTest):

    def begin(self, daemon, target, *options):
        """Starts a migration that takes seconds; returns once it has moved
        something, with what it has printed."""
        client = subprocess.Popen(  # pylint: disable=consider-using-with
            daemon.cli_command("migrate", "--pid", target.pid, "--to", "1",
                               "--mode", "async", "--range", target.span(),
                               *options),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(client.stderr.close)
        self.addCleanup(client.stdout.close)
        self.addCleanup(client.wait)
        self.addCleanup(client.kill)
        lines = []
        for line in client.stdout:
            lines.append(line)
            if '"results"' in line:
                break
        self.assertTrue(lines and '"results"' in lines[-1],
                        (lines, daemon.log()))
        return client, lines

    def rest_of(self, client):
        """What it prints to its end. Not by communicate(), which reads past
        the lines that the text stream has taken in already."""
        rest = client.stdout.read()
        client.wait(timeout=60)
        return rest

    def check_stopped(self, target, text, reason):
        events = Events(text)
        self.assertEqual(events.summary["stop_reason"], "STOP_REASON_" + reason)
        self.check_sums(events, PAGES)
        self.check_truth(events, target)
        self.assertGreater(events.count("moved_pages"), 0)
        self.assertGreater(events.count("not_attempted_pages"), 0)
        self.assertEqual(set(events.failures()), {reason})
        self.check_intact(target)

    def end_of(self, daemon, target):
        """What ListMigrations says of the target's migration once it ended."""

        def ended():
            listed = [json.loads(line) for line in
                      daemon.cli("list").stdout.splitlines()]
            return [info for info in listed
                    if info["state"] == "MIGRATION_STATE_ENDED" and
                    info["target"]["process"]["pid"] == target.pid]

        return wait_for(ended, "the migration's end")[0]

    def test_cancel(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        client, lines = self.begin(daemon, target)
        migration = Events("".join(lines)).started["migration_id"]
        self.assertEqual(daemon.cli("cancel", migration).returncode, 0)
        rest = self.rest_of(client)
        self.assertEqual(client.returncode, 2)
        self.check_stopped(target, "".join(lines) + rest, "CANCELLED")
        # A second cancel finds it ended, which is no error.
        self.assertEqual(daemon.cli("cancel", migration).returncode, 0)

    def test_time_budget(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        done = daemon.cli("migrate", "--pid", target.pid, "--to", 1, "--mode",
                          "async", "--range", target.span(), "--time-budget",
                          "400ms")
        self.assertEqual(done.returncode, 2, done.stderr)
        self.check_stopped(target, done.stdout, "TIME_BUDGET")

    def test_drain(self):
        daemon = self.own_daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        client, lines = self.begin(daemon, target)
        daemon.process.send_signal(signal.SIGTERM)
        rest = self.rest_of(client)
        self.check_stopped(target, "".join(lines) + rest, "DRAINING")
        self.assertEqual(daemon.process.wait(timeout=60), 0)

    def test_deadline_of_the_client(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        done = subprocess.run(
            [*daemon.cli_command("--timeout", "600ms", "migrate", "--pid",
                                 target.pid, "--to", 1, "--mode", "async",
                                 "--range", target.span())],
            capture_output=True, text=True, check=False)
        self.assertEqual(done.returncode, 3, done.stderr)
        status = json.loads(done.stderr.splitlines()[-1])
        self.assertEqual(status["code"], 4)  # DEADLINE_EXCEEDED
        info = self.end_of(daemon, target)
        self.assertEqual(info["progress"]["stop_reason"],
                         "STOP_REASON_CANCELLED")
        self.check_intact(target)

    def test_a_client_that_vanishes(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        client, _ = self.begin(daemon, target)
        client.kill()
        info = self.end_of(daemon, target)
        self.assertEqual(info["progress"]["stop_reason"],
                         "STOP_REASON_CANCELLED")
        self.assertIn("not_attempted_pages", info["progress"])
        self.check_intact(target)

    def test_a_target_that_exits(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=2)
        client, lines = self.begin(daemon, target)
        target.process.kill()
        rest = self.rest_of(client)
        events = Events("".join(lines) + rest)
        self.assertEqual(events.summary["stop_reason"],
                         "STOP_REASON_PROCESS_EXITED")
        self.check_sums(events, PAGES)

    def test_a_target_that_becomes_another_program(self):
        daemon = self.daemon()
        target = self.target(f"anon:{PAGES}:0", threads=1)
        client, lines = self.begin(daemon, target)
        target.ask("exec")
        rest = self.rest_of(client)
        events = Events("".join(lines) + rest)
        self.assertEqual(events.summary["stop_reason"],
                         "STOP_REASON_PROCESS_EXITED")
        self.check_sums(events, PAGES)


if __name__ == "__main__":
    unittest.main()
