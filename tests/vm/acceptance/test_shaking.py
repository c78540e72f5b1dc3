"""Random mixtures of page states in random requests, while the target forks,
unmaps, protects, remaps, swaps: no result contradicts the look, every page is
accounted for once, no store is lost, the daemon stays alive and small.

PAGEFERRY_SHAKE_SECONDS (default 40) says how long, PAGEFERRY_SHAKE_SEED where
to begin; each voyage, one target and some migrations, has a seed of its own,
so that a run that begins there has it first.
"""

import collections
import os
import pathlib
import random
import sys
import threading
import time
import unittest

import grpc

import machine
import mixture
from frames import Frames
from judge import Judge, Result
from support import KERNEL, PAGE, MachineTest, Target, set_numa_balancing, \
    wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "wire"))
import wire_daemon as wire  # noqa: E402, pylint: disable=wrong-import-position
from wire_daemon import migration_pb2 as api  # noqa: E402, pylint: disable=wrong-import-position

SECONDS = float(os.environ.get("PAGEFERRY_SHAKE_SECONDS") or 40)
SEED = int(os.environ.get("PAGEFERRY_SHAKE_SEED") or
           int.from_bytes(os.urandom(3), "big"))
MOST_PAGES = 20000
MIGRATIONS = 5
# What a daemon that has served some migrations may still grow by.
MEMORY_BOUND = 64 << 20


def results_by_page(migration):
    """{address: Result}"""
    outcome_name, reason_name = api.PageOutcome.Name, api.PageReason.Name
    pages = {}
    for run in migration.results:
        result = Result(
            outcome_name(run.outcome).removeprefix("PAGE_OUTCOME_"),
            reason_name(run.reason).removeprefix("PAGE_REASON_"),
            run.node if run.HasField("node") else None, run.passes > 0)
        for i in range(run.page_count):
            pages[run.start_address + i * PAGE] = result
    return pages


def pinned_by(flag, region):
    """Addresses of a region that may have an extra reference by its flag."""
    kind = region["kind"]
    indexes = set()
    if kind in ("changing", "pinned"):
        indexes = range(region["pages"])
    for key in flag.split(","):
        if key.startswith("pin="):
            for part in key[4:].split("+"):
                first, last = part.split("-")
                indexes.update(range(int(first), int(last) + 1))
    return {region["start"] + i * PAGE for i in indexes}


class Voyage:
    """One target and what is asked of it, from one seed."""

    def __init__(self, seed, folder):
        pick = random.Random(seed)
        self.seed = seed
        flags = mixture.regions(pick, folder)
        self.balancing = pick.random() < 0.2
        # How it ends: with its memory looked at, or in the middle.
        self.end = pick.choice(("stop", "stop", "stop", "kill", "exec"))
        self.pauses = [pick.uniform(0, 0.2) for _ in range(MIGRATIONS)]
        set_numa_balancing(int(self.balancing))
        self.target = Target(*flags, threads=2, strict=False,
                             options=("--seed", str(seed % 10**9)))
        self.flags = flags
        regions = self.target.ready["regions"]
        self.regions = [region for region in regions if region["pages"] > 0]
        self.maybe_pinned, self.changing = set(), set()
        for flag, region in zip(flags, regions):
            self.maybe_pinned |= pinned_by(flag, region)
            if region["kind"] == "changing":
                self.changing.update(range(
                    region["start"],
                    region["start"] + region["pages"] * PAGE, PAGE))
        self.regions += [dict(region, start=region["second_start"])
                         for region in regions if "second_start" in region]

    def place_of(self, address):
        """The flag of its region, or of none, and its index there."""
        for flag, region in zip(self.flags, self.target.ready["regions"]):
            for start in (region["start"], region.get("second_start", 0)):
                if 0 <= address - start < region["pages"] * PAGE:
                    return flag, (address - start) // PAGE
        return "beside all regions", hex(address)


class Shaking(MachineTest):

    def setUp(self):
        super().setUp()
        machine.prepare(self)
        self.served = self.own_daemon()
        self.stub = wire.Daemon(self.served.endpoint)
        self.addCleanup(self.stub.close)
        self.frames = Frames()
        self.addCleanup(self.frames.close)
        self.figures = collections.Counter()
        self.contradictions = collections.Counter()

    def test_random_mixtures(self):
        print(f"seed {SEED}, {SECONDS:g} s", flush=True)
        end = time.monotonic() + SECONDS
        seed, memory, descriptors = SEED, None, None
        while time.monotonic() < end or seed == SEED:
            try:
                self.sail(Voyage(seed, machine.FILES))
            except BaseException:
                print(f"failed with seed {seed}; once more: {again(seed)}",
                      flush=True)
                raise
            self.assertIsNone(self.served.process.poll(), self.served.log())
            if memory is None:
                memory, descriptors = self.memory(), self.descriptors()
            wait_for(lambda: self.descriptors() <= descriptors,
                     "descriptors that are closed again")
            seed += 1
        grown = self.memory() - memory
        self.report(seed - SEED, grown)
        self.assertLess(grown, MEMORY_BOUND)
        self.assertEqual(self.contradictions.total(), 0)

    def report(self, voyages, grown):
        print(f"{voyages} voyages, {self.contradictions.total()} "
              f"contradictions, the daemon grew by {grown / (1 << 20):.1f} MiB")
        for name, count in sorted(self.figures.items()):
            print(f"{count:>9}  {name}")
        sys.stdout.flush()

    def memory(self):
        with open(f"/proc/{self.served.process.pid}/statm",
                  encoding="ascii") as statm:
            return int(statm.read().split()[1]) * PAGE

    def descriptors(self):
        return len(os.listdir(f"/proc/{self.served.process.pid}/fd"))

    def sail(self, voyage):
        """All migrations of a voyage, every second in calm water."""
        target = voyage.target
        self.addCleanup(target.close)
        for number, pause in enumerate(voyage.pauses):
            request = mixture.Request(f"{voyage.seed}/{number}",
                                      voyage.regions, MOST_PAGES)
            if not request.destinations:
                continue
            calm = number % 2 == 1
            target.ask("rest" if calm else "shake")
            time.sleep(pause)
            last = number == MIGRATIONS - 1
            if last and voyage.end != "stop":
                self.abandon(voyage, request)
            else:
                self.migrate_and_judge(voyage, request, calm)
        if voyage.end == "stop":
            self.figures["changes"] += target.ask("rest")["changes"]
            answer = target.stop()
            self.assertTrue(answer["intact"], answer)
            self.figures["pages checked in targets"] += answer["checked_pages"]
        target.close()
        set_numa_balancing(0)

    def call(self, voyage, request):
        message = api.MigratePagesRequest()
        message.process.pid = voyage.target.pid
        options = message.options
        options.mode = getattr(api, "MIGRATE_MODE_" + request.mode)
        options.shared_pages = (api.SHARED_PAGES_MOVE if request.move_shared
                                else api.SHARED_PAGES_LEAVE)
        options.retry.max_passes = request.max_passes
        options.validate_only = request.dry_run
        if request.disturbance == "budget":
            options.time_budget.FromMilliseconds(
                max(1, int(request.delay_s * 1000)))
        for node, ranges, addresses in request.batches():
            batch = message.batches.add(destination_node=node)
            batch.addresses.extend(addresses)
            for start, pages in ranges:
                batch.ranges.add(start_address=start, page_count=pages)
        return self.stub.migrate_pages(message)

    def migrate_and_judge(self, voyage, request, calm):
        judged = [address for address in request.destinations
                  if calm or address not in voyage.changing]
        judge = Judge(self.frames, voyage.target.pid, judged,
                      voyage.maybe_pinned, request.destinations)
        migration = self.migrate(self.call(voyage, request),
                                 request.disturbance, request.delay_s)
        judge.look_again()
        self.figures["migrations " + ("calm" if calm else "shaken")] += 1
        if migration is None:  # the client went away
            return
        wire.check_migration(
            self, migration,
            [address // PAGE for address in request.destinations])
        self.figures["pages"] += migration.summary.requested_pages
        results = results_by_page(migration)
        for result in results.values():
            self.figures[f"page {result.outcome} "
                         f"{result.reason.replace('UNSPECIFIED', '')}"] += 1
        self.judge_results(voyage, request, calm, judge, judged, results)

    def judge_results(self, voyage, request, calm, judge, judged, results):
        for address in judged:
            if judge.is_torn(address):
                self.figures["pages of a frame asked to two nodes"] += 1
                continue
            result = results[address]
            why = judge.contradiction(address, result,
                                      request.destinations[address],
                                      voyage.balancing)
            if why is not None:
                self.contradict(
                    voyage, request, calm, address,
                    f"{' '.join(map(str, result))} to "
                    f"{request.destinations[address]} {why}",
                    judge.describe(address))
            elif judge.blamed_in_vain(address, result,
                                      request.destinations[address]):
                kind = voyage.place_of(address)[0].split(":")[0]
                self.figures[f"blamed in vain {result.reason} {kind}"] += 1
        self.figures["pages judged"] += len(judged)
        if request.dry_run and not voyage.balancing:
            self.assertEqual(judge.moved_pages(), [])

    def contradict(self, voyage, request, calm, address, why, looks):
        """Notes it; shows the first of its kind in a voyage."""
        flag, index = voyage.place_of(address)
        text = (f"{flag} page {index}: {why}; {request.mode} "
                f"{'move' if request.move_shared else 'leave'} shared, passes "
                f"{request.max_passes}, {request.disturbance}, "
                f"{'calm' if calm else 'shaken'}; {looks}; "
                f"{again(voyage.seed)}")
        kind = (voyage.seed, flag, why, request)
        if kind not in self.contradictions:
            print("contradiction: " + text, flush=True)
        self.contradictions[kind] += 1

    def migrate(self, call, disturbance, delay_s):
        """Everything that was streamed; None after the client went away."""
        if disturbance == "vanish":
            next(call)
            time.sleep(delay_s)
            call.cancel()
            self.wait_until_nothing_runs()
            return None
        if disturbance != "cancel":
            return wire.read_migration(call)
        first = next(call)
        canceller = threading.Timer(
            delay_s, self.stub.cancel_migration,
            (first.event.started.migration_id,))
        canceller.start()
        try:
            rest = list(call)
        finally:
            canceller.join()
        return wire.read_migration([first] + rest)

    def wait_until_nothing_runs(self):
        wait_for(lambda: all(
            info.state == api.MIGRATION_STATE_ENDED
            for info in self.stub.list_migrations().migrations),
            "the end of a migration without client")

    def abandon(self, voyage, request):
        """The target goes away in the middle."""
        call = self.call(voyage, request)
        first = next(call)
        time.sleep(request.delay_s)
        if voyage.end == "kill":
            voyage.target.process.kill()
            voyage.target.process.wait()
        else:
            voyage.target.ask("exec")
        migration = wire.read_migration([first] + list(call))
        wire.check_migration(
            self, migration,
            [address // PAGE for address in request.destinations])
        self.figures["migrations without target"] += 1


def again(seed):
    return (f"PAGEFERRY_SHAKE_SEED={seed} PAGEFERRY_VM_TESTS=test_shaking "
            f"tests/run.sh vm (Linux {KERNEL})")


if __name__ == "__main__":
    unittest.main()
