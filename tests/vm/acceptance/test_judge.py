"""The judge of test_shaking finds lies, and believes the truth."""

import unittest

from frames import Frames
from judge import Judge, Result
from support import MachineTest

MOVED, PLACED = "MOVED", "ALREADY_PLACED"


class FindsLies(MachineTest):

    def setUp(self):
        super().setUp()
        self.frames = Frames()
        self.addCleanup(self.frames.close)
        self.subject = self.target("anon:4:0,pin=3,hole=2", "zero:1",
                                   "shared-fork:1:1")
        self.first, self.second, self.hole, self.pinned = (
            self.subject.addresses(0))
        self.zero, = self.subject.addresses(1)
        self.shared, = self.subject.addresses(2)
        self.pages = [address for region in range(3)
                      for address in self.subject.addresses(region)]

    def judge(self, destination):
        return Judge(self.frames, self.subject.pid, self.pages, {self.pinned},
                     dict.fromkeys(self.pages, destination))

    def test_of_pages_that_stayed(self):
        judge = self.judge(1)
        judge.look_again()
        for address, outcome, reason, node, believed in (
                (self.first, MOVED, "", 1, False),
                (self.first, MOVED, "", 0, False),
                (self.first, PLACED, "", 1, False),
                (self.first, "WOULD_MOVE", "", 0, True),
                (self.first, "FAILED", "BUSY", 0, True),
                (self.first, "FAILED", "BUSY", 1, False),
                (self.first, "FAILED", "BUSY", None, False),
                (self.first, "FAILED", "PINNED", 0, False),
                (self.first, "FAILED", "SHARED", 0, False),
                (self.first, "FAILED", "FOLIO_CONFLICT", 0, False),
                (self.first, "NOT_ATTEMPTED", "CANCELLED", 0, True),
                (self.pinned, "FAILED", "PINNED", 0, True),
                (self.hole, "FAILED", "NOT_PRESENT", None, True),
                (self.hole, "FAILED", "NOT_MAPPED", None, False),
                (self.hole, "FAILED", "SWAPPED_OUT", None, False),
                (self.zero, "FAILED", "ZERO_PAGE", None, True),
                (self.zero, "FAILED", "NOT_PRESENT", None, False),
                (self.shared, PLACED, "", 1, True),
                (self.shared, MOVED, "", 1, False),
                (self.shared, "FAILED", "SHARED", 1, False)):
            result = Result(outcome, reason, node, True)
            with self.subTest(result=result, page=self.pages.index(address)):
                why = judge.contradiction(address, result, 1)
                self.assertEqual(why is None, believed, why)

    def test_of_pages_of_a_huge_one_asked_to_two_nodes(self):
        subject = self.target("thp:512:1")
        pages = list(subject.addresses(0))
        judge = Judge(self.frames, subject.pid, pages, set(),
                      {page: i % 2 for i, page in enumerate(pages)})
        judge.look_again()
        for result, believed in (
                (Result(MOVED, "", 1, True), True),
                (Result(MOVED, "", 0, True), False),
                (Result("FAILED", "FOLIO_CONFLICT", 1, True), True)):
            with self.subTest(result=result):
                why = judge.contradiction(pages[1], result, 1)
                self.assertEqual(why is None, believed, why)

    def test_of_pages_that_moved(self):
        judge = self.judge(1)
        daemon = self.daemon()
        self.migrate(daemon, self.subject, "--to", 1, "--mode", "sync",
                     "--address", self.first)
        judge.look_again()
        self.assertEqual(judge.moved_pages(), [self.first])
        for outcome, node, believed in (
                (MOVED, 1, True), (PLACED, 1, False), (MOVED, 0, False),
                ("FAILED", 0, False), ("FAILED", 1, False),
                ("NOT_ATTEMPTED", 0, False)):
            result = Result(outcome, "BUSY", node, True)
            with self.subTest(result=result):
                why = judge.contradiction(self.first, result, 1)
                self.assertEqual(why is None, believed, why)


if __name__ == "__main__":
    unittest.main()
