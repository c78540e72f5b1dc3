"""The table of page states: what we say of each in each mode, what
move_pages(2) says, and what a look finds."""

import os
import re
import time
import traceback
import unittest

from all_states import STATES
from states import PAGES, Lab, on
from support import KERNEL, MODES, set_numa_balancing
from table import COLUMNS, RAW, measure_ours, measure_raw, table_text
from asking import Case, ask_cli, ask_grpc

# Reasons that the kernel can cause. Not among them: ABORTED, which follows
# from another page's NO_MEMORY, and what comes of requests: CANCELLED,
# TIME_BUDGET, DRAINING.
REASONS = {
    "NOT_PRESENT", "SWAPPED_OUT", "ZERO_PAGE", "NOT_MAPPED", "NOT_MOVABLE",
    "SHARED", "LOCKED", "WRITEBACK", "DIRTY", "NUMA_HINT", "PINNED", "BUSY",
    "NO_MEMORY", "CPUSET", "FOLIO_CONFLICT", "PROCESS_EXITED",
    "PERMISSION_LOST", "UNSUPPORTED", "INVALID",
}
# Of these, what this kernel does not cause, and why.
NO_CAUSE = on(k6_1={}, k6_12={
    "DIRTY": "it moves dirty pages of each file system that is made here",
    "NUMA_HINT": "it finds and moves pages behind a hint",
    "UNSUPPORTED": "it finds and moves pages without access",
})
# For development: only states whose names this finds.
WANTED = os.environ.get("PAGEFERRY_STATES", "")


class TableOfPageStates(unittest.TestCase):
    """All of it is measured first; the tests say what must hold of it."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        set_numa_balancing(0)
        cls.rows = {}
        cls.broken = []
        cls.lab = lab = Lab()
        cls.addClassCleanup(lab.close)
        for name, state in STATES.items():
            if not re.search(WANTED, name):
                continue
            started = time.monotonic()
            try:
                cls.rows[name] = {column: cls.measure(lab, state, column)
                                  for column in COLUMNS}
            except Exception:  # pylint: disable=broad-exception-caught
                cls.broken.append(name)
                print(name, traceback.format_exc(), flush=True)
            print(f"{time.monotonic() - started:6.1f} s  {name}", flush=True)
        print(table_text(cls.rows))
        wrong = sum(bool(row[RAW].problems) for row in cls.rows.values())
        print(f"Linux {KERNEL}: {len(cls.rows)} states; raw statuses wrong "
              f"or missing in {wrong}", flush=True)

    @staticmethod
    def measure(lab, state, column):
        with state.make(lab, column) as case:
            if column == RAW:
                return measure_raw(case)
            return measure_ours(case, lab.daemon, column)

    def test_every_state_can_be_made(self):
        self.assertEqual(self.broken, [])

    def test_what_we_say_agrees_with_the_look(self):
        for name, row in self.rows.items():
            for mode in MODES:
                with self.subTest(state=name, mode=mode):
                    self.assertEqual(row[mode].problems, [])

    def test_each_state_gets_its_answer(self):
        for name, row in self.rows.items():
            for mode in MODES:
                with self.subTest(state=name, mode=mode):
                    self.assertRegex(row[mode].said,
                                     f"^({STATES[name].expect[mode]})$")

    def test_only_sync_waits_for_writeback(self):
        """By the order of events, and not by a clock."""
        row = self.row("under writeback on a slow device")
        for mode in ("async", "sync-light"):
            self.assertEqual(row[mode].order[:2], ["answered", "I/O went on"])
        self.assertEqual(row["sync"].order, [
            "slept in the kernel", "I/O went on", "answered"])

    def test_only_async_does_not_wait_for_a_lock(self):
        row = self.row("locked by slow I/O")
        self.assertEqual(row["async"].order[:2], ["answered", "I/O went on"])
        for mode in ("sync-light", "sync"):
            self.assertEqual(row[mode].order, [
                "slept in the kernel", "I/O went on", "answered"])

    def test_no_target_has_lost_a_store(self):
        for target in self.lab.targets():
            answer = target.ask("check")
            self.assertTrue(answer["intact"], answer)

    def row(self, name):
        if name not in self.rows:
            self.skipTest("not among the states that are wanted")
        return self.rows[name]

    def test_each_reason_has_a_cause(self):
        if WANTED:
            self.skipTest("not all states are wanted")
        seen = set()
        for row in self.rows.values():
            for mode in MODES:
                seen |= row[mode].reasons
        self.assertEqual(REASONS - seen, set(NO_CAUSE))
        self.assertLessEqual(seen - REASONS, {"ABORTED"})
        for reason, why in NO_CAUSE.items():
            print(f"{reason} has no cause here: {why}", flush=True)

    def test_other_clients_get_the_same_answer(self):
        process = self.lab.process()
        answers = []
        for ask in (ask_cli, ask_grpc):
            addresses = process.written(PAGES)
            process.hold(addresses[3])
            answers.append(measure_ours(Case(process.pid, addresses, ask=ask),
                                        self.lab.daemon, "sync"))
        process.let_go()
        self.assertEqual(answers[0], answers[1])
        self.assertEqual(answers[0].said,
                         f"FAILED PINNED 1, MOVED {PAGES - 1}")
        self.assertEqual(answers[0].problems, [])


if __name__ == "__main__":
    unittest.main()
