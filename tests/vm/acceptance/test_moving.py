"""What the service exists for: pages move, and each is reported truly."""

import unittest

import look
from support import KERNEL, MODES, MachineTest, set_numa_balancing, wait_for


class MovesMemoryThatIsWritten(MachineTest):

    def test_there_and_back_in_each_mode(self):
        daemon = self.daemon()
        for mode in MODES:
            with self.subTest(mode=mode):
                target = self.target("anon:20000:0", threads=2)
                for node in (1, 0):
                    events = self.migrate(daemon, target, "--to", node,
                                          "--mode", mode, "--range",
                                          target.span())
                    self.check_sums(events, 20000)
                    self.check_truth(events, target)
                    self.assertEqual(events.by_outcome(), {"MOVED": 20000})
                    self.assertEqual(set(target.nodes()), {node})
                self.check_intact(target)

    def test_a_second_time_everything_is_placed_already(self):
        daemon = self.daemon()
        target = self.target("anon:3000:1")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              "--range", target.span())
        self.assertEqual(events.by_outcome(), {"ALREADY_PLACED": 3000})
        self.assertNotIn("kernel_calls", events.summary)

    def test_all_of_a_process(self):
        daemon = self.daemon()
        target = self.target("anon:2000:0", "shm:500:0", "mlocked:100:0")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              "--all", "--shared", "move")
        self.check_truth(events, target)
        for region in range(3):
            self.assertEqual(set(target.nodes(region)), {1})
        self.check_intact(target)

    def test_a_dry_run_moves_nothing(self):
        daemon = self.daemon()
        target = self.target("anon:1000:0,hole=7")
        before = look.vmstat("pgmigrate_success")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              "--range", target.span(), "--dry-run")
        self.check_sums(events, 1000)
        self.assertEqual(events.by_outcome(),
                         {"WOULD_MOVE": 999, "FAILED NOT_PRESENT": 1})
        self.assertEqual(look.vmstat("pgmigrate_success"), before)

    def test_our_counters_agree_with_the_kernels(self):
        daemon = self.daemon()
        target = self.target("anon:5000:0", "thp:512:0")
        huge = target.addresses(1)
        ours = daemon.metrics()
        kernels = look.vmstat("pgmigrate_success")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              "--range", target.span(), "--address", huge[3],
                              "--address", huge[300])
        # The kernel counts what came along in a huge page; we count it apart.
        self.assertEqual(look.vmstat("pgmigrate_success") - kernels, 5512)
        grown = {name: value - ours[name]
                 for name, value in daemon.metrics().items() if name in ours}
        self.assertEqual(
            grown['pageferry_requested_pages_total{mode="SYNC"}'], 5002)
        self.assertEqual(
            grown['pageferry_companion_pages_total{mode="SYNC"}'], 510)
        self.assertEqual(grown["pageferry_kernel_events_total"
                               '{event="pgmigrate_success"}'], 5512)
        self.assertEqual(
            grown['pageferry_moved_pages_total{destination_node="1",'
                  'mode="SYNC",source_node="0"}'], events.count("moved_pages"))


class TellsTheTruthWhereTheKernelDoesNot(MachineTest):

    def test_a_pinned_page_and_a_hole_among_4096(self):
        daemon = self.daemon()
        for mode in MODES:
            with self.subTest(mode=mode):
                target = self.target("anon:4096:0,pin=1000,hole=2000")
                events = self.migrate(daemon, target, "--to", 1, "--mode", mode,
                                      "--range", target.span(), expect=2)
                self.check_sums(events, 4096)
                self.check_truth(events, target)
                self.assertEqual(events.by_outcome(), {
                    "MOVED": 4094, "FAILED PINNED": 1, "FAILED NOT_PRESENT": 1})
                start = target.region()["start"]
                self.assertEqual(events.pages[start + 1000 * 4096]["reason"],
                                 "PAGE_REASON_PINNED")
                self.check_intact(target)

    def test_many_pinned_pages_do_not_stop_their_neighbours(self):
        daemon = self.daemon()
        target = self.target("anon:4096:0,pin=3+500-520+4090,hole=100-140")
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              "--range", target.span(), expect=2)
        self.check_sums(events, 4096)
        self.check_truth(events, target)
        self.assertEqual(events.by_outcome(), {
            "MOVED": 4096 - 23 - 41, "FAILED PINNED": 23,
            "FAILED NOT_PRESENT": 41})

    def test_shared_pages_stay_unless_asked(self):
        daemon = self.daemon()
        target = self.target("shared-fork:200:0", "anon:200:0")
        ranges = ["--range", target.span(0), "--range", target.span(1)]
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              *ranges, expect=2)
        self.check_sums(events, 400)
        self.check_truth(events, target)
        self.assertEqual(events.by_outcome(),
                         {"MOVED": 200, "FAILED SHARED": 200})
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              *ranges, "--shared", "move")
        self.assertEqual(events.by_outcome(),
                         {"MOVED": 200, "ALREADY_PLACED": 200})
        self.check_intact(target)

    def test_pages_that_are_not_there(self):
        daemon = self.daemon()
        target = self.target("zero:10", "untouched:10", "anon:10:0")
        events = self.migrate(
            daemon, target, "--to", 1, "--mode", "async", "--range",
            target.span(0), "--range", target.span(1), "--range",
            target.span(2), "--address", "0x1000", "--address",
            str((1 << 63) + 4096))
        self.check_sums(events, 32)
        self.assertEqual(events.by_outcome(), {
            "MOVED": 10, "FAILED ZERO_PAGE": 10, "FAILED NOT_PRESENT": 10,
            "FAILED NOT_MAPPED": 1, "FAILED INVALID": 1})


class MovesHugePagesWhole(MachineTest):

    def thp(self, daemon, target, *pages, expect=0):
        events = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                              *pages, expect=expect)
        self.check_truth(events, target)
        return events

    def test_given_as_512_addresses(self):
        daemon = self.daemon()
        target = self.target("thp:1024:0")
        events = self.thp(daemon, target, "--range", target.span())
        self.check_sums(events, 1024)
        self.assertEqual(events.by_outcome(), {"MOVED": 1024})
        self.assertEqual({result["folio_pages"]
                          for result in events.pages.values()}, {512})
        self.assertEqual(events.count("companion_pages"), 0)
        self.check_intact(target)

    def test_given_as_one_tail_address(self):
        daemon = self.daemon()
        target = self.target("thp:512:0")
        tail = target.addresses()[77]
        events = self.thp(daemon, target, "--address", tail)
        self.check_sums(events, 1)
        self.assertEqual(events.by_outcome(), {"MOVED": 1})
        self.assertEqual(events.count("companion_pages"), 511)
        self.assertEqual(set(target.nodes()), {1})

    def test_given_with_duplicates(self):
        daemon = self.daemon()
        target = self.target("thp:512:0", "anon:8:0")
        addresses = [target.addresses(0)[5], target.addresses(0)[5] + 100,
                     target.addresses(1)[3], target.addresses(1)[3]]
        pages = [word for address in addresses
                 for word in ("--address", str(address))]
        pages += ["--range", target.span(0)]
        events = self.thp(daemon, target, *pages)
        self.check_sums(events, 513)
        self.assertEqual(events.by_outcome(), {"MOVED": 513})

    def test_hugetlb_by_a_tail_address(self):
        self.reserve_huge_pages(8)
        daemon = self.daemon()
        target = self.target("hugetlb:512:0")
        events = self.thp(daemon, target, "--address", target.addresses()[9])
        self.assertEqual(events.by_outcome(), {"MOVED": 1})
        self.assertEqual(set(target.nodes()), {1})


class SeesThroughNumaHints(MachineTest):

    def test_promotion_with_balancing_on(self):
        daemon = self.daemon()
        target = self.target("anon:20000:1", threads=1, options=("--cpu", "0"))
        set_numa_balancing(1)
        if KERNEL == "6.1":
            # The scanner has hidden pages once a query no longer finds them.
            wait_for(lambda: any(node < 0 for node in target.nodes()),
                     "NUMA hints on the target's pages", seconds=90)
        events = self.migrate(daemon, target, "--to", 0, "--mode", "sync",
                              "--range", target.span())
        set_numa_balancing(0)
        self.check_sums(events, 20000)
        self.assertEqual(events.count("moved_pages") +
                         events.count("already_placed_pages"), 20000)
        self.assertEqual(set(target.nodes()) - {-2}, {0})
        self.check_intact(target)


if __name__ == "__main__":
    unittest.main()
