"""Fidelity KERNEL: async migrations that the kernel runs as MIGRATE_ASYNC, by
way of DAMON; and that a killed daemon leaves nothing that moves frames."""

import glob
import os
import pathlib
import struct
import subprocess
import sys
import time
import unittest

import look
from support import KERNEL, PAGE, MachineTest, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "wire"))
import wire_daemon as wire  # noqa: E402
from wire_daemon import migration_pb2 as api  # noqa: E402

KDAMONDS = "/sys/kernel/mm/damon/admin/kdamonds"
SCHEME = f"{KDAMONDS}/0/contexts/0/schemes/0"
REGIONS = f"{KDAMONDS}/0/contexts/0/targets/0/regions"
TRACING = "/sys/kernel/tracing"
HAS_KERNEL_FIDELITY = KERNEL != "6.1"


def read(path):
    with open(path, encoding="ascii") as file:
        return file.read().strip()


def write(path, value):
    with open(path, "w", encoding="ascii") as file:
        file.write(str(value))


# Of a target that is to get frames which another had.
HEIR_PAGES = 60000


def frames_of(target, index=0):
    """The page frame of each page of a region."""
    region = target.region(index)
    with open(f"/proc/{target.pid}/pagemap", "rb", buffering=0) as pagemap:
        data = os.pread(pagemap.fileno(), region["pages"] * 8,
                        region["start"] // PAGE * 8)
    return [entry & ((1 << 55) - 1)
            for entry in struct.unpack(f"{region['pages']}Q", data)]


class Trace:
    """The kernel's own word on migrations since this was made."""

    def __init__(self):
        if not os.path.exists(f"{TRACING}/events"):
            subprocess.run(["mount", "-t", "tracefs", "tracefs", TRACING],
                           check=True)
        write(f"{TRACING}/events/migrate/mm_migrate_pages/enable", 1)
        write(f"{TRACING}/trace", "")

    @staticmethod
    def damon():
        """The fields of each migration that DAMON ran."""
        lines = [dict(word.split("=", 1) for word in line.split()
                      if "=" in word)
                 for line in read(f"{TRACING}/trace").splitlines()
                 if "mm_migrate_pages: nr_succeeded" in line]
        return [line for line in lines if line["reason"] == "damon"]


class KernelFidelityTest(MachineTest):

    def setUp(self):
        super().setUp()
        if os.path.exists(KDAMONDS):
            self.assertEqual(read(f"{KDAMONDS}/nr_kdamonds"), "0")

    def start(self, daemon, target, *indices, **options):
        """A migration to node 1 of some regions, KERNEL preferred."""
        client = wire.Daemon(daemon.endpoint)
        self.addCleanup(client.close)
        options.setdefault("mode", api.MIGRATE_MODE_ASYNC)
        ranges = [api.PageRange(start_address=target.region(i)["start"],
                                page_count=target.region(i)["pages"])
                  for i in indices or (0,)]
        return client.migrate_pages(api.MigratePagesRequest(
            process=api.ProcessRef(pid=target.pid),
            batches=[api.PageBatch(destination_node=1, ranges=ranges)],
            options=api.MigrationOptions(
                preferred_fidelity=api.MODE_FIDELITY_KERNEL, **options)))

    def prefer_kernel(self, daemon, target, *indices, **options):
        migration = wire.read_migration(
            self.start(daemon, target, *indices, **options))
        pages = [address // PAGE for i in indices or (0,)
                 for address in target.addresses(i)]
        wire.check_migration(self, migration, pages)
        self.assertEqual(migration.started.fidelity,
                         api.MODE_FIDELITY_SCREENED)
        found = dict(zip(pages, look.locate(
            target.pid, [page * PAGE for page in pages])))
        for result in migration.results:
            if result.HasField("node"):
                for page in wire.pages_of([result]):
                    self.assertEqual(found[page], result.node, result)
        return migration.summary


@unittest.skipUnless(HAS_KERNEL_FIDELITY, "needs Linux 6.11")
class TheKernelMovesAsynchronously(KernelFidelityTest):

    def test_is_offered_for_async(self):
        daemon = self.daemon()
        client = wire.Daemon(daemon.endpoint)
        self.addCleanup(client.close)
        capabilities = client.capabilities()
        self.assertEqual(
            {mode.mode: list(mode.fidelities) for mode in capabilities.modes},
            {api.MIGRATE_MODE_ASYNC: [api.MODE_FIDELITY_SCREENED,
                                      api.MODE_FIDELITY_KERNEL],
             api.MIGRATE_MODE_SYNC_LIGHT: [api.MODE_FIDELITY_SCREENED],
             api.MIGRATE_MODE_SYNC: [api.MODE_FIDELITY_SCREENED]})
        damon = [privilege for privilege in capabilities.privileges
                 if privilege.name == "damon"]
        self.assertTrue(damon[0].present)

    def test_moves_our_pages_and_only_ours(self):
        daemon = self.daemon()
        # Both have memory in the same part of node 0.
        neighbour = self.target("anon:10000:0", options=("--idle",))
        target = self.target("anon:10000:0", threads=2)
        other = self.target("anon:10000:0", options=("--idle",))
        trace = Trace()
        summary = self.prefer_kernel(daemon, target)
        self.assertEqual(summary.moved_pages, 10000)
        # Pages that were just touched are off the LRU lists, and screened.
        self.assertGreater(summary.kernel_fidelity_pages, 8000)
        moves = trace.damon()
        self.assertEqual({move["mode"] for move in moves}, {"MIGRATE_ASYNC"})
        self.assertEqual(sum(int(move["nr_succeeded"]) for move in moves),
                         summary.kernel_fidelity_pages)
        for stranger in (neighbour, other):
            self.assertEqual(set(stranger.nodes()), {0})
        self.assertEqual(read(f"{KDAMONDS}/nr_kdamonds"), "0")
        self.check_intact(target)

    def test_what_cannot_move_so_is_screened(self):
        daemon = self.daemon()
        target = self.target("anon:4096:0,pin=100+1000-1019,hole=2000",
                             "shared-fork:200:0", "anon:1:0")
        summary = self.prefer_kernel(daemon, target, 0, 1, 2)
        self.assertEqual(summary.moved_pages, 4096 - 22 + 1)
        self.assertGreater(summary.kernel_fidelity_pages, 3000)
        self.assertEqual(
            {failure.reason: failure.page_count
             for failure in summary.failures},
            {api.PAGE_REASON_PINNED: 21, api.PAGE_REASON_NOT_PRESENT: 1,
             api.PAGE_REASON_SHARED: 200})
        self.check_intact(target)

    def test_huge_pages_move_whole(self):
        daemon = self.daemon()
        target = self.target("thp:2048:0")
        summary = self.prefer_kernel(daemon, target)
        self.assertEqual(summary.moved_pages, 2048)
        self.assertEqual(summary.kernel_fidelity_pages % 512, 0)
        self.assertGreater(summary.kernel_fidelity_pages, 0)
        self.assertEqual(summary.companion_pages, 0)
        self.check_intact(target)

    def test_is_for_async_only(self):
        daemon = self.daemon()
        target = self.target("anon:1000:0")
        trace = Trace()
        summary = self.prefer_kernel(daemon, target,
                                     mode=api.MIGRATE_MODE_SYNC)
        self.assertEqual(summary.moved_pages, 1000)
        self.assertEqual(summary.kernel_fidelity_pages, 0)
        self.assertEqual(trace.damon(), [])

    def test_what_another_has_in_damon_stays(self):
        daemon = self.daemon()
        self.addCleanup(write, f"{KDAMONDS}/nr_kdamonds", 0)
        write(f"{KDAMONDS}/nr_kdamonds", 1)
        write(f"{KDAMONDS}/0/contexts/nr_contexts", 1)
        write(f"{KDAMONDS}/0/contexts/0/targets/nr_targets", 1)
        target = self.target("anon:1000:0")
        summary = self.prefer_kernel(daemon, target)
        self.assertEqual(summary.moved_pages, 1000)
        self.assertEqual(summary.kernel_fidelity_pages, 0)
        self.assertEqual(read(f"{KDAMONDS}/0/contexts/0/targets/nr_targets"),
                         "1")

    def test_damons_own_modules_go_first(self):
        daemon = self.daemon()
        module = "/sys/module/damon_reclaim/parameters/enabled"
        write(module, "Y")
        self.addCleanup(write, module, "N")
        target = self.target("anon:1000:0")
        summary = self.prefer_kernel(daemon, target)
        self.assertEqual(summary.moved_pages, 1000)
        self.assertEqual(summary.kernel_fidelity_pages, 0)
        self.assertEqual(read(module), "Y")


@unittest.skipUnless(HAS_KERNEL_FIDELITY, "needs Linux 6.11")
class AKilledDaemonLeavesNothingThatMovesFrames(KernelFidelityTest):

    def kill_in_the_middle(self, target):
        """Ends a daemon with its kdamond running. That can be seen for a few
        milliseconds only, so it may take several."""
        for _ in range(8):
            daemon = self.own_daemon()
            call = self.start(daemon, target)
            deadline = time.monotonic() + 15
            while not self.kdamond_is_on() and time.monotonic() < deadline:
                pass
            daemon.process.kill()
            daemon.process.wait()
            if self.kdamond_is_on():
                self.assertRaises(wire.grpc.RpcError, list, call)
                return
        self.fail("no daemon was caught in the middle")

    @staticmethod
    def kdamond_is_on():
        try:
            return read(f"{KDAMONDS}/0/state") == "on"
        except OSError:
            return False  # none there, or being turned off

    @staticmethod
    def figure(name):
        write(f"{KDAMONDS}/0/state", "update_schemes_stats")
        return int(read(f"{SCHEME}/stats/{name}"))

    @staticmethod
    def listed_frames():
        frames = set()
        for region in glob.glob(f"{REGIONS}/[0-9]*"):
            frames.update(range(int(read(f"{region}/start")) // PAGE,
                                int(read(f"{region}/end")) // PAGE))
        return frames

    def end_what_is_left(self):
        """For the tests that follow, where this one has failed."""
        if read(f"{KDAMONDS}/nr_kdamonds") != "0":
            if self.kdamond_is_on():
                write(f"{KDAMONDS}/0/state", "off")
            write(f"{KDAMONDS}/nr_kdamonds", "0")

    def heirs(self, frames):
        """As many targets on node 0 as it takes to have some of the frames:
        which free ones come first is the kernel's affair."""
        found = []
        while look.free_bytes(0) > HEIR_PAGES * PAGE * 2:
            found.append(self.target(f"anon:{HEIR_PAGES}:0",
                                     options=("--idle",)))
            if len(frames.intersection(frames_of(found[-1]))) > 100:
                return found
        return self.fail("nobody has inherited the frames")

    def test_no_frame_moves_afterwards_and_the_next_start_cleans_up(self):
        target = self.target("anon:40000:0", options=("--idle",))
        trace = Trace()
        self.addCleanup(self.end_what_is_left)
        self.kill_in_the_middle(target)
        frames = self.listed_frames()
        # What was in the air comes to its end.
        wait_for(lambda: self.figure("sz_tried") == len(frames) * PAGE,
                 "the end of the application")
        self.check_intact(target)
        # Now all these frames are free, and become somebody else's.
        heirs = self.heirs(frames)
        before = trace.damon()
        self.assertEqual({move["mode"] for move in before}, {"MIGRATE_ASYNC"})
        tried = self.figure("nr_tried")
        regions = int(read(f"{REGIONS}/nr_regions"))
        wait_for(lambda: self.figure("nr_tried") > tried + 400 * regions,
                 "four hundred rounds of the kdamond", seconds=120)
        self.assertEqual(trace.damon(), before)
        self.assertEqual(self.figure("sz_tried"), len(frames) * PAGE)
        for heir in heirs:
            self.assertEqual(set(heir.nodes()), {0})

        again = self.own_daemon()
        self.assertEqual(read(f"{KDAMONDS}/nr_kdamonds"), "0")
        fresh = self.target("anon:2000:0")
        summary = self.prefer_kernel(again, fresh)
        self.assertEqual(summary.moved_pages, 2000)
        self.assertGreater(summary.kernel_fidelity_pages, 1000)
        for heir in heirs:
            self.assertEqual(set(heir.nodes()), {0})
        self.check_intact(fresh)

    def test_a_living_daemons_slot_is_not_taken_for_a_left_over(self):
        daemon = self.own_daemon()
        target = self.target("anon:20000:0")
        call = self.start(daemon, target)
        other = self.own_daemon()
        migration = wire.read_migration(call)
        self.assertEqual(migration.summary.moved_pages, 20000)
        self.assertIsNone(other.process.poll())
        self.check_intact(target)


@unittest.skipIf(HAS_KERNEL_FIDELITY, "has KERNEL fidelity")
class WithoutItTheScreenedWayIsTaken(KernelFidelityTest):

    def test_moves_all_the_same(self):
        daemon = self.daemon()
        client = wire.Daemon(daemon.endpoint)
        self.addCleanup(client.close)
        capabilities = client.capabilities()
        for mode in capabilities.modes:
            self.assertEqual(list(mode.fidelities),
                             [api.MODE_FIDELITY_SCREENED])
        damon = [privilege for privilege in capabilities.privileges
                 if privilege.name == "damon"]
        self.assertFalse(damon[0].present)
        self.assertIn("6.11", damon[0].cost_of_lack)
        target = self.target("anon:1000:0")
        summary = self.prefer_kernel(daemon, target)
        self.assertEqual(summary.moved_pages, 1000)
        self.assertEqual(summary.kernel_fidelity_pages, 0)
        self.check_intact(target)


if __name__ == "__main__":
    unittest.main()
