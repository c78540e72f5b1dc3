"""The counters of a daemon are the sums of what its clients were told."""

import collections
import json
import unittest

from model_daemon import ModelDaemon

# Fields of a summary, with the counters that must agree.
COUNTERS = {name: f"pageferry_{name}_total" for name in (
    "requested_pages", "moved_pages", "moved_bytes", "already_placed_pages",
    "failed_pages", "not_attempted_pages", "retried_pages",
    "companion_pages")}


class Sums(unittest.TestCase):

    def setUp(self):
        self.daemon = ModelDaemon()
        self.addCleanup(self.daemon.close)
        self.totals = collections.Counter()

    def migrate(self, *arguments):
        done = self.daemon.cli("migrate", "--pid", "100", *arguments)
        for line in done.stdout.splitlines():
            summary = json.loads(line).get("summary", {})
            for name in COUNTERS:
                self.totals[name] += int(summary.get(name, 0))

    def check(self):
        samples = {name: self.daemon.sum_of(counter)
                   for name, counter in COUNTERS.items()}
        self.assertEqual(samples, {name: self.totals[name]
                                   for name in COUNTERS})
        self.assertEqual(
            samples["requested_pages"],
            samples["moved_pages"] + samples["already_placed_pages"] +
            samples["failed_pages"] + samples["not_attempted_pages"])

    def test_over_all_outcomes(self):
        for mode in ("async", "sync-light", "sync"):
            for origin, to in (("0", "1"), ("1", "0")):
                self.migrate("--all", "--from", origin, "--to", to, "--mode",
                             mode)
                self.check()
        # Huge pages by one address each, and holes; the same again, when they
        # are there; a full node; too little time.
        for _ in range(2):
            self.migrate("--to", "1", "--mode", "sync", "--address",
                         "0x30000000", "--address", "0x30200000", "--address",
                         "0x51000000")
        self.migrate("--all", "--from", "0", "--to", "2", "--mode", "async")
        self.migrate("--all", "--to", "1", "--mode", "sync", "--time-budget",
                     "1ms")
        # Counted elsewhere.
        self.migrate("--all", "--from", "9", "--to", "1", "--mode", "sync")
        self.check()
        for name in COUNTERS:
            self.assertGreater(self.totals[name], 0, name)

    def test_dry_runs_count_nothing_of_that(self):
        self.migrate("--all", "--from", "0", "--to", "1", "--mode", "async",
                     "--dry-run")
        self.assertGreater(self.totals["requested_pages"], 0)
        for counter in COUNTERS.values():
            self.assertEqual(self.daemon.sum_of(counter), 0, counter)
        self.assertEqual(self.daemon.sum_of("pageferry_validated_pages_total"),
                         self.totals["requested_pages"])


if __name__ == "__main__":
    unittest.main()
