"""States of huge pages: whole and in parts, shared, cut up, and pools of
hugetlb pages that have or lack one."""

import contextlib
import time

import look
from states import all_have, span, state, write_file
from support import wait_for
from asking import Case, ask_grpc

ALL = 512
HALF = ALL // 2
ALL_MOVE = f"MOVED {ALL}"
MADV_DONTFORK = 10
POOL = "/sys/devices/system/node/node{}/hugepages/hugepages-2048kB/nr_hugepages"
OVERCOMMIT = "/sys/kernel/mm/hugepages/hugepages-2048kB/nr_overcommit_hugepages"


def huge_page(process):
    addresses = process.written(ALL, huge=True)
    assert all_have(process.pid, addresses, look.THP), "no huge page"
    return addresses


@state("THP, whole", ALL_MOVE)
def whole(lab, _):
    process = lab.process()
    yield Case(process.pid, huge_page(process), folio_pages=ALL)


@state("THP, three of its pages", "MOVED 3")
def part(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    yield Case(process.pid, [addresses[i] for i in (7, 77, 511)],
               folio_pages=ALL)


@state("THP, shared by fork", f"FAILED SHARED {ALL}")
def shared(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    with process.forked():
        yield Case(process.pid, addresses, folio_pages=ALL)


@state("THP, shared by fork, asked to move", ALL_MOVE)
def shared_moved(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    with process.forked():
        yield Case(process.pid, addresses, shared=True, folio_pages=ALL)


@state("THP, half of it unmapped", f"MOVED {HALF}")
def half_unmapped(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    process.unmap(addresses[0], HALF)
    yield Case(process.pid, addresses[HALF:], folio_pages=ALL)


@state("THP, half of it mapped elsewhere", ALL_MOVE)
def half_elsewhere(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    elsewhere = process.remap(addresses[HALF], HALF)
    yield Case(process.pid, addresses[:HALF] + span(elsewhere, HALF),
               folio_pages=ALL)


@state("THP, a page of the half mapped elsewhere", "MOVED 1")
def one_elsewhere(lab, _):
    process = lab.process()
    addresses = huge_page(process)
    elsewhere = process.remap(addresses[HALF], HALF)
    yield Case(process.pid, [elsewhere + 9 * look.PAGE], folio_pages=ALL)


@state("THP, mapped by base pages", ALL_MOVE)
def mapped_small(lab, _):
    """Advice for one page takes the huge mapping apart, not the page."""
    process = lab.process()
    addresses = huge_page(process)
    process.advise(addresses[0] + 3 * look.PAGE, 1, MADV_DONTFORK)
    yield Case(process.pid, addresses, folio_pages=ALL)


@state("huge zero page", f"FAILED ZERO_PAGE {ALL}")
def huge_zero(lab, _):
    process = lab.process()
    start = process.map(ALL, huge=True)
    process.read(start, ALL)
    yield Case(process.pid, span(start, ALL))


@contextlib.contextmanager
def pools(*sizes):
    """Huge pages that the nodes keep for hugetlb."""
    try:
        for node, size in enumerate(sizes):
            write_file(POOL.format(node), size)
        yield
    finally:
        for node in range(len(sizes)):
            write_file(POOL.format(node), 0)


def hugetlb(lab, sizes, index):
    """A page of hugetlb by one address."""
    process = lab.process()
    with pools(*sizes):
        addresses = process.written(ALL, hugetlb=True)
        yield Case(process.pid, [addresses[index]], folio_pages=ALL)
        process.unmap(addresses[0], ALL)


@state("hugetlb, whole", ALL_MOVE)
def hugetlb_whole(lab, _):
    process = lab.process()
    with pools(1, 1):
        addresses = process.written(ALL, hugetlb=True)
        yield Case(process.pid, addresses, folio_pages=ALL)
        process.unmap(addresses[0], ALL)


@state("hugetlb, by its head", "MOVED 1")
def hugetlb_head(lab, _):
    yield from hugetlb(lab, (1, 1), 0)


@state("hugetlb, by a tail", "MOVED 1")
def hugetlb_tail(lab, _):
    yield from hugetlb(lab, (1, 1), 77)


@state("hugetlb, never touched", f"FAILED NOT_PRESENT {ALL}")
def hugetlb_untouched(lab, _):
    process = lab.process()
    start = process.map(ALL, hugetlb=True)
    yield Case(process.pid, span(start, ALL))
    process.unmap(start, ALL)


@state("hugetlb, the destination's pool empty", "MOVED 1")
def hugetlb_exhausted(lab, _):
    """The kernel makes a page of free memory then."""
    yield from hugetlb(lab, (1, 0), 0)


@state("hugetlb, a surplus page of an empty pool", "MOVED 1")
def hugetlb_surplus(lab, _):
    write_file(OVERCOMMIT, 1)
    try:
        yield from hugetlb(lab, (0, 0), 0)
    finally:
        write_file(OVERCOMMIT, 0)


@contextlib.contextmanager
def filled(process, room_bytes, kept=0):
    """Node 1 with that much memory above its low watermark, after huge pages
    that nobody can have took the rest; `kept` more are in the pool of
    node 0."""
    with pools(kept, 0):
        # Takes what can be reclaimed too, then gives some back.
        write_file(POOL.format(1), 1 << 20)
        with open(POOL.format(1), encoding="ascii") as pool:
            hog = int(pool.read())
        left = room_bytes + look.low_watermark_bytes(1)
        missing_bytes = max(0, left - settled_free_bytes(1))
        hog -= missing_bytes // (ALL * look.PAGE) + 1
        write_file(POOL.format(1), hog)
        start = process.map(hog * ALL, hugetlb=True, reserve=True)
        settled_free_bytes(1)
        try:
            yield
        finally:
            process.unmap(start, hog * ALL)


def settled_free_bytes(node):
    """Free memory of a node, once the kernel does not go on reclaiming there:
    it was woken by who took the rest."""

    def settled():
        before = look.free_bytes(node)
        time.sleep(0.2)
        free = look.free_bytes(node)
        return free if abs(free - before) < SETTLED else None

    return wait_for(settled, f"the end of reclaiming on node {node}")


ROOM = 2 << 20
SETTLED = 256 << 10
NO_ROOM = (r"FAILED NO_MEMORY \d+(, MOVED \d+)?"
           r"(, NOT_ATTEMPTED ABORTED \d+)?")


# Sync may make the kernel reclaim, and so get more than the room.
@state("destination full", NO_ROOM, sync=NO_ROOM + r"|MOVED \d+")
def full(lab, _):
    process = lab.process()
    with filled(process, ROOM):
        # What was reclaimed in pieces too small for huge pages is free, too.
        pages = (look.free_bytes(1) + 4 * ROOM) // look.PAGE
        addresses = process.written(pages)
        yield Case(process.pid, addresses, as_range=True)
        process.unmap(addresses[0], pages)


@state("hugetlb, destination full", NO_ROOM, sync=NO_ROOM + r"|MOVED \d+")
def full_of_huge_pages(lab, _):
    process = lab.process()
    heads = 8
    with filled(process, ROOM, kept=heads):
        addresses = process.written(heads * ALL, hugetlb=True)
        yield Case(process.pid, addresses[::ALL], folio_pages=ALL)
        process.unmap(addresses[0], heads * ALL)


@state("THP, asked to two destinations",
       f"FAILED FOLIO_CONFLICT {HALF}, MOVED {HALF}")
def two_destinations(lab, _):
    process = lab.process()
    yield Case(process.pid, huge_page(process), ask=ask_grpc,
               nodes=[1] * HALF + [0] * HALF, folio_pages=ALL)


@state("hugetlb, asked to two destinations",
       f"FAILED FOLIO_CONFLICT {HALF}, MOVED {HALF}")
def hugetlb_two_destinations(lab, _):
    process = lab.process()
    with pools(1, 1):
        addresses = process.written(ALL, hugetlb=True)
        yield Case(process.pid, addresses, ask=ask_grpc,
                   nodes=[1] * HALF + [0] * HALF, folio_pages=ALL)
        process.unmap(addresses[0], ALL)
