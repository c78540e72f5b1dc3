"""What a round of shaking is made of: regions of a target and a request for
their pages, all from one seed."""

import random

from support import PAGE

HUGE = 512
# Kinds with the largest number of pages to take of them, and whether a node
# can be asked for.
QUIET_KINDS = (
    ("anon", 6000, True), ("holes", 2000, True), ("mlocked", 600, True),
    ("pinned", 64, True), ("readonly", 1500, True), ("protnone", 600, True),
    ("shared-fork", 800, True), ("shm", 1500, True), ("twice", 600, True),
    ("tmpfs", 1500, True), ("file", 600, True), ("ksm", 300, True),
    ("thp", 2048, True), ("hugetlb", 1024, True), ("swapped", 500, True),
    ("hugezero", 512, False), ("zero", 200, False), ("untouched", 500, False),
    ("device", 8, False), ("vdso", 1, False), ("vvar", 1, False))
NO_PLACE = (0, PAGE, (1 << 46) + 5 * PAGE, (1 << 47) - PAGE, 1 << 50,
            (1 << 63) + PAGE)


def regions(random_source, folder):
    """--region flags: quiet regions, and changing ones."""
    pick = random_source
    flags = []
    for kind, most, placed in pick.sample(QUIET_KINDS, pick.randint(4, 9)):
        pages = pick.randint(1, most)
        flag = f"{kind}:{pages}"
        if placed:
            flag += f":{pick.randint(0, 1)}"
        if kind in ("anon", "shm", "tmpfs", "mlocked") and pages > 100:
            if pick.random() < 0.6:
                flag += ",hole=" + _indexes(pick, pages)
            if pick.random() < 0.6:
                flag += ",pin=" + _indexes(pick, pages)
        if kind == "shm" and pick.random() < 0.5:
            flag += ",mappers=2"
        if kind == "file":
            flag += f",dirty={pick.randint(0, 1)},path={folder}/{len(flags)}"
        flags.append(flag)
    for _ in range(pick.randint(1, 2)):
        flags.append(f"changing:{pick.randint(600, 4000)}:{pick.randint(0, 1)}"
                     f",shared={int(pick.random() < 0.3)}")
    pick.shuffle(flags)
    return flags


def _indexes(pick, pages):
    parts = []
    for _ in range(pick.randint(1, 6)):
        first = pick.randrange(pages)
        last = min(pages - 1, first + pick.choice((0, 0, 1, 20)))
        parts.append(f"{first}-{last}")
    return "+".join(parts)


class Request:
    """Pages with a destination each, and how a client might write them."""

    def __init__(self, seed, target_regions, most_pages):
        self._pick = pick = random.Random(seed)
        self.mode = pick.choice(("ASYNC", "SYNC_LIGHT", "SYNC"))
        self.move_shared = pick.random() < 0.5
        self.max_passes = pick.choice((0, 0, 0, 1, 2, 4))
        self.dry_run = pick.random() < 0.1
        self.disturbance = pick.choice(
            ("none",) * 6 + ("cancel", "budget", "vanish"))
        self.delay_s = pick.choice((0.0, 0.05, 0.2, 0.5))
        self.destinations = {}
        choose = self._destination_chooser()
        for number, region in enumerate(target_regions):
            for address in self._some_pages(region):
                self.destinations[address] = choose(number, address)
        for address in NO_PLACE:
            if pick.random() < 0.3:
                self.destinations[address] = pick.randint(0, 1)
        while len(self.destinations) > most_pages:
            self.destinations.popitem()

    def _destination_chooser(self):
        """One for all, one a region, one a 2 MiB block, or one a page."""
        pick = self._pick
        style = pick.choice(("all", "region", "block", "page"))
        drawn = {}

        def choose(number, address):
            key = {"all": 0, "region": number, "block": address // PAGE // HUGE,
                   "page": address}[style]
            if key not in drawn:
                drawn[key] = pick.randint(0, 1)
            return drawn[key]

        return choose

    def _some_pages(self, region):
        """Of one region: all, some, pieces or nothing; and what is beside."""
        pick = self._pick
        pages = region["pages"]
        indexes = range(pages)
        style = pick.choice(("all", "all", "some", "pieces", "nothing"))
        if style == "nothing":
            return []
        if style == "some":
            indexes = pick.sample(indexes, pick.randint(1, pages))
        if style == "pieces":
            chosen = set()
            for _ in range(pick.randint(1, 12)):
                first = pick.randrange(pages)
                chosen.update(range(first, min(pages, first +
                                               pick.randint(1, 700))))
            indexes = sorted(chosen)
        indexes = list(indexes)
        if pick.random() < 0.2:
            indexes += [-1, pages]
        return [region["start"] + i * PAGE for i in indexes]

    def batches(self):
        """[(destination, [(start, pages)], [address])]: each page at least
        once, in no order, by any address in it."""
        pick = self._pick
        batches = []
        for node in (0, 1):
            pages = [address for address, destination
                     in self.destinations.items() if destination == node]
            if not pages:
                continue
            lists = [[] for _ in range(pick.randint(1, 3))]
            runs = _runs(sorted(pages), pick.choice((1, 40, 4000)))
            pick.shuffle(runs)
            for run in runs:
                pick.choice(lists).append(run)
            lists[0] += pick.sample(runs, min(len(runs), pick.choice((0, 5))))
            batches += [self._batch(node, runs) for runs in lists if runs]
        pick.shuffle(batches)
        return batches

    def _batch(self, node, runs):
        pick = self._pick
        ranges, addresses = [], []
        for start, pages in runs:
            if pages > 1 or (len(ranges) < 1000 and pick.random() < 0.1):
                ranges.append((start + pick.choice((0, 1, PAGE - 1)), pages))
            else:
                addresses.append(start + pick.choice((0, 8, PAGE - 1)))
        return node, ranges, addresses


def _runs(pages, most):
    """Sorted page addresses as (start, pages), at most `most` pages each."""
    runs = []
    for address in pages:
        if runs and runs[-1][1] < most and (
                address == runs[-1][0] + runs[-1][1] * PAGE):
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((address, 1))
    return runs
