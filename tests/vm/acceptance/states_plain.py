"""States of pages that lie still: what a mapping is and what was done to it."""

import look
from states import PAGES, all_have, on, span, state, write_file
from support import PAGE, Target, set_numa_balancing, wait_for
from asking import Case

ALL_MOVE = f"MOVED {PAGES}"


def ext4(lab):
    return lab.gate("gate", "ext4", "mkfs.ext4", "-q")


def all_fail(reason):
    return f"FAILED {reason} {PAGES}"


def one_fails(reason):
    return f"FAILED {reason} 1, MOVED {PAGES - 1}"


LEAVE, MOVE = False, True  # pages of several mappings

# Kinds of pageferry_target, a region of each for each column; what we say.
KINDS = (
    ("anonymous, touched", "anon:8:0", LEAVE, ALL_MOVE),
    ("anonymous, never touched", "untouched:8", LEAVE,
     all_fail("NOT_PRESENT")),
    ("zero page", "zero:8", LEAVE, all_fail("ZERO_PAGE")),
    ("read-only", "readonly:8:0", LEAVE, ALL_MOVE),
    ("PROT_NONE", "protnone:8:0", LEAVE,
     on(k6_1=all_fail("UNSUPPORTED"), k6_12=ALL_MOVE)),
    ("mlocked", "mlocked:8:0", LEAVE, ALL_MOVE),
    ("shared by fork", "shared-fork:8:0", LEAVE, all_fail("SHARED")),
    ("shared by fork, asked to move", "shared-fork:8:0", MOVE, ALL_MOVE),
    ("MAP_SHARED, one mapper", "shm:8:0", LEAVE, ALL_MOVE),
    ("MAP_SHARED, two mappers", "shm:8:0,mappers=2", LEAVE,
     all_fail("SHARED")),
    ("MAP_SHARED, two mappers, asked to move", "shm:8:0,mappers=2", MOVE,
     ALL_MOVE),
    ("two mappings in one process", "twice:8:0", LEAVE, all_fail("SHARED")),
    ("tmpfs", "tmpfs:8:0", LEAVE, ALL_MOVE),
    ("tmpfs, one page pinned", "tmpfs:8:0,pin=3", LEAVE, one_fails("BUSY")),
    ("pinned by vmsplice, one of 8", "anon:8:0,pin=3", LEAVE,
     one_fails("PINNED")),
    # Frames of the kernel that move_pages finds, and cannot take off a list.
    ("device mapping, a perf buffer", "device:9", LEAVE, "FAILED BUSY 9"),
)


def add_regions():
    kinds = tuple(kind for _, kind, _, _ in KINDS)
    for i, (name, _, shared, expect) in enumerate(KINDS):

        def make(lab, column, i=i, shared=shared):
            case = lab.region(kinds, i, column)
            case.shared = shared
            yield case

        state(name, expect)(make)


add_regions()


@state("there already", f"ALREADY_PLACED {PAGES}")
def there_already(lab, _):
    process = lab.process()
    yield Case(process.pid, process.written(PAGES, node=1))


@state("fresh, not yet on the LRU", "MOVED 2")
def fresh(lab, _):
    """Pages wait for the list in a queue of some 15 for each CPU, so that
    another's pages may push them on."""
    process = lab.process()

    def off_list():
        addresses = process.written(2)
        if any(page.flags & look.LRU
               for page in look.see(process.pid, addresses)):
            return None
        return addresses

    yield Case(process.pid, wait_for(off_list, "pages not on the LRU"))


@state("page cache, clean", ALL_MOVE)
def clean(lab, _):
    process = lab.process()
    start = process.map(PAGES, path=lab.file(ext4(lab), PAGES))
    process.read(start, PAGES, 0)
    yield Case(process.pid, span(start, PAGES))


@state("page cache, dirty", ALL_MOVE)
def dirty(lab, _):
    process = lab.process()
    addresses = process.written(PAGES, path=lab.file(ext4(lab), PAGES))
    assert all_have(process.pid, addresses, look.DIRTY)
    yield Case(process.pid, addresses)


def ksm(lab, column, shared):
    """All pages are one frame; it goes back to node 0 for the next column."""

    def make():
        write_file("/sys/kernel/mm/ksm/pages_to_scan", 10000)
        write_file("/sys/kernel/mm/ksm/run", 1)
        return Target("ksm:8:0,wait=60", options=("--idle",))

    target = lab.once("ksm", make)
    write_file("/sys/kernel/mm/ksm/run", 0)
    look.move(target.pid, target.addresses()[:1], 0, look.MOVE_ALL)
    yield Case(target.pid, target.addresses(), shared=shared)


@state("KSM", all_fail("SHARED"))
def ksm_left(lab, column):
    yield from ksm(lab, column, shared=False)


@state("KSM, asked to move", ALL_MOVE)
def ksm_moved(lab, column):
    yield from ksm(lab, column, shared=True)


def special(lab, kind):
    """The kernel's own page lies where the kernel does, on any node; it is
    asked to the other one."""
    target = lab.once(kind, lambda: Target(kind + ":1", options=("--idle",)))
    addresses = target.addresses()
    there = look.see(target.pid, addresses)[0].node
    yield Case(target.pid, addresses, to=0 if there == 1 else 1)


@state("vdso", r"FAILED NOT_MOVABLE \d+")
def vdso(lab, _):
    yield from special(lab, "vdso")


@state("vvar", r"FAILED NOT_(MOVABLE|PRESENT) .*")
def vvar(lab, _):
    yield from special(lab, "vvar")


@state("device mapping, frames of no memory", "FAILED NOT_PRESENT 8")
def device_memory(lab, _):
    """The window of a graphics card below the first MiB. Neither pagemap nor a
    query tells such pages from those that were never touched."""
    process = lab.process()
    start = process.map(PAGES, path="/dev/mem", offset=0xa0000)
    yield Case(process.pid, span(start, PAGES))


@state("no mapping", "FAILED NOT_MAPPED 1")
def no_mapping(lab, _):
    yield Case(lab.process().pid, [PAGE])


@state("no address of a process", "FAILED INVALID 1")
def no_address(lab, _):
    yield Case(lab.process().pid, [(1 << 63) + PAGE])


def hint(process, addresses):
    """Puts pages on node 1 behind NUMA hints: the scanner hides what is away
    from the CPU, and is off again when the migration comes."""
    settings = "/sys/kernel/debug/sched/numa_balancing/"
    write_file(settings + "scan_delay_ms", 10)
    write_file(settings + "scan_period_min_ms", 10)
    before = look.vmstat("numa_pte_updates")
    process.spin()
    try:
        set_numa_balancing(1)
        wait_for(lambda: numa_hints(process.pid, addresses, before),
                 "NUMA hints", seconds=90)
    finally:
        set_numa_balancing(0)
        process.rest()


def numa_hints(pid, addresses, before):
    """Whether all are hidden. Kernels that locate them all the same count
    what they hide; all of a small process is done at once."""
    if on(k6_1=True, k6_12=False):
        return all(page.status < 0 for page in look.see(pid, addresses))
    return look.vmstat("numa_pte_updates") > before + 10 * PAGES


@state("NUMA-hinted", ALL_MOVE)
def numa_hinted(lab, _):
    with lab.own_process() as process:
        addresses = process.written(PAGES, node=1)
        hint(process, addresses)
        yield Case(process.pid, addresses, to=0)


@state("NUMA-hinted, file of two mappers",
       on(k6_1=all_fail("NUMA_HINT"), k6_12=all_fail("SHARED")))
def numa_hinted_twice(lab, _):
    """Clean pages: the scanner leaves a file's dirty ones alone."""
    with lab.own_process() as process:
        start = process.map(PAGES, path=lab.file(ext4(lab), PAGES))
        process.read(start, PAGES, 1)
        with process.forked(start, PAGES):
            hint(process, span(start, PAGES))
            yield Case(process.pid, span(start, PAGES), to=0)
