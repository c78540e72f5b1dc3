"""Destinations without enough memory."""

import os
import unittest

import look
from support import PAGE, MachineTest

LEFT_FREE = 48 << 20


class DestinationIsFull(MachineTest):

    def hog(self, node):
        """Fills a node but for LEFT_FREE bytes above what the kernel keeps for
        itself: who wants that is killed."""
        pages = (look.free_bytes(node) - look.low_watermark_bytes(node) -
                 LEFT_FREE) // PAGE
        return self.target(f"anon:{pages}:{node}", options=("--idle",))

    def test_every_page_that_moved_is_reported_moved(self):
        daemon = self.daemon()
        target = self.target("anon:40000:0")
        self.hog(1)
        for mode in ("sync", "async"):
            with self.subTest(mode=mode):
                events = self.migrate(daemon, target, "--to", 1, "--mode", mode,
                                      "--range", target.span(), expect=2)
                self.check_sums(events, 40000)
                self.check_truth(events, target)
                self.assertEqual(events.summary["stop_reason"],
                                 "STOP_REASON_DESTINATION_FULL")
                self.assertLessEqual(
                    set(key.split()[-1] for key in events.by_outcome()),
                    {"MOVED", "ALREADY_PLACED", "NO_MEMORY", "ABORTED"})
                if mode == "sync":
                    self.assertGreater(events.count("moved_pages"), 0)
                else:
                    self.assertGreater(events.failures()["NO_MEMORY"], 0)
        self.check_intact(target)

    @unittest.skipUnless(os.environ["PAGEFERRY_VM_SHAPE"] == "four",
                         "needs a third node with memory")
    def test_fallback_nodes_take_the_rest(self):
        daemon = self.daemon()
        target = self.target("anon:30000:0")
        self.hog(2)
        events = self.migrate(daemon, target, "--to", 2, "--fallback", 3,
                              "--mode", "sync-light", "--range", target.span())
        self.check_sums(events, 30000)
        self.check_truth(events, target)
        self.assertEqual(events.by_outcome(), {"MOVED": 30000})
        moved_to = {entry["node"]: int(entry["page_count"])
                    for entry in events.summary["moved_to"]}
        self.assertGreater(moved_to[3], 0)
        self.assertEqual(sum(moved_to.values()), 30000)
        self.check_intact(target)


if __name__ == "__main__":
    unittest.main()
