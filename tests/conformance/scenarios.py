"""The states of tests/vm/acceptance as the model shows them: by name, the
process of a scenario that is in the state, and what is asked of it."""

import dataclasses
import string

START = 0x40000000  # the first page, at which a huge page can begin
PAGE = 4096
PAGES, ALL = 8, 512
HALF = ALL // 2
ON_0, ON_1 = "placements { node: 0 }", "placements { node: 1 }"
NODE_PAGES = 65536
# So many passes that something can happen between two of them.
MANY_PASSES = ("--max-passes", "100")

TRAITS = {"6.1": "traits { hides_numa_hints: true }\n", "6.12": ""}


@dataclasses.dataclass(frozen=True)
class Scenario:
    """`process` is what stands in its braces, `around` what stands beside it;
    $pid is its pid, $other that of another process, $file a file's name. A
    dictionary has a text for each kernel."""
    process: str
    around: str | dict = ""
    indices: tuple = tuple(range(PAGES))  # of the pages that are asked
    addresses: tuple = ()    # instead of them
    to: int = 1
    nodes: tuple = ()        # instead of it: for each page its own
    shared: bool = False     # whether pages of several mappings shall move
    arguments: tuple = ()    # more of them for `pageferry migrate`
    room: int | None = None  # of node 1 in a machine of its own, pages


def machine_text(release, room=NODE_PAGES):
    return (f"seed: 1\n{TRAITS[release]}"
            f"nodes {{ id: 0 capacity_pages: {NODE_PAGES} has_cpu: true }}\n"
            f"nodes {{ id: 1 capacity_pages: {room} }}\n")


def process_text(scenario, pid, release):
    around = scenario.around
    if isinstance(around, dict):
        around = around[release]
    text = (f'processes {{\n  pid: $pid name: "asked"\n'
            f"{scenario.process}}}\n{around}")
    return string.Template(text).substitute(pid=pid, other=pid + 1,
                                            file=f"file-{pid}")


def region(kind="ANONYMOUS", more=ON_0, pages=PAGES, start=START):
    return (f"  regions {{ start_address: {start} pages: {pages} "
            f"kind: REGION_KIND_{kind} {more} }}\n")


def file(more, place=ON_0):
    return f'files {{ name: "$file" pages: {PAGES} {place} {more} }}\n'


def other(body):
    return f'processes {{\n  pid: $other name: "other"\n{body}}}\n'


def fault(kind, page=0, pages=1, more=""):
    return (f"page_faults {{ kind: PAGE_FAULT_KIND_{kind} pid: $pid "
            f"address: {START + page * PAGE} pages: {pages} {more} }}\n")


def event(kind, more=""):
    """After the first pass."""
    return (f"process_events {{ kind: PROCESS_EVENT_KIND_{kind} pid: $pid "
            f"batch: 1 {more} }}\n")


def huge(kind, **fields):
    fields.setdefault("indices", tuple(range(ALL)))
    return Scenario(region(kind, pages=ALL), **fields)


def held(happens):
    """One page that stays where it is, and what happens after a pass."""
    return Scenario(region(pages=1), fault("PIN") + happens, indices=(0,),
                    arguments=MANY_PASSES)


MAPPED = 'source: "$file"'
MERGED = "".join(region("MERGED", ON_0, 1, START + i * PAGE)
                 for i in range(PAGES))
FORK = "processes { pid: $other fork_of: $pid }\n"
BUFFERED = "migrate: MIGRATE_OPERATION_BUFFER private_data: true"
DIRTY_FILE = "dirty: true migrate: MIGRATE_OPERATION_"

SCENARIOS = {
    "anonymous, touched": Scenario(region()),
    "anonymous, never touched": Scenario(region("UNTOUCHED", "")),
    "zero page": Scenario(region("ZERO", "")),
    "read-only": Scenario(
        region(more=ON_0 + " protection: PROTECTION_READ_ONLY")),
    "PROT_NONE": Scenario(region(more=ON_0 + " protection: PROTECTION_NONE")),
    "mlocked": Scenario(region(more=ON_0 + " mlocked: true")),
    "shared by fork": Scenario(region(), FORK),
    "shared by fork, asked to move": Scenario(region(), FORK, shared=True),
    "MAP_SHARED, one mapper": Scenario(region("FILE", MAPPED), file("")),
    "MAP_SHARED, two mappers": Scenario(
        region("FILE", MAPPED), file("") + other(region("FILE", MAPPED))),
    "MAP_SHARED, two mappers, asked to move": Scenario(
        region("FILE", MAPPED), file("") + other(region("FILE", MAPPED)),
        shared=True),
    "two mappings in one process": Scenario(
        region("FILE", MAPPED) +
        region("FILE", MAPPED, start=START + PAGES * PAGE), file("")),
    "tmpfs": Scenario(region("FILE", MAPPED), file("")),
    "tmpfs, one page pinned": Scenario(region("FILE", MAPPED),
                                       file("") + fault("PIN", 3)),
    "pinned by vmsplice, one of 8": Scenario(region(), fault("PIN", 3)),
    # Frames that are on no list, and stay so.
    "device mapping, a perf buffer": Scenario(
        region(pages=9), fault("ISOLATE", pages=9), indices=tuple(range(9))),
    "there already": Scenario(region(more=ON_1)),
    # Its list gets it when the first try has failed.
    "fresh, not yet on the LRU": Scenario(
        region(), fault("ISOLATE", pages=2, more="tries: 1"), indices=(0, 1)),
    "page cache, clean": Scenario(region("FILE", MAPPED), file(BUFFERED)),
    "page cache, dirty": Scenario(region("FILE", MAPPED),
                                  file("dirty: true " + BUFFERED)),
    "KSM": Scenario(MERGED),
    "KSM, asked to move": Scenario(MERGED, shared=True),
    "device mapping, frames of no memory": Scenario(region("DEVICE", "")),
    "no mapping": Scenario(region(), addresses=(PAGE,)),
    "no address of a process": Scenario(region(),
                                        addresses=((1 << 63) + PAGE,)),
    "NUMA-hinted": Scenario(region(more=ON_1 + " numa_hinted: true"), to=0),
    "NUMA-hinted, file of two mappers": Scenario(
        region("FILE", MAPPED + " numa_hinted: true"),
        file("", ON_1) + other(region("FILE", MAPPED)), to=0),

    "THP, whole": huge("HUGE"),
    "THP, three of its pages": huge("HUGE", indices=(7, 77, 511)),
    "THP, shared by fork": huge("HUGE", around=FORK),
    "THP, shared by fork, asked to move": huge("HUGE", around=FORK,
                                               shared=True),
    "huge zero page": Scenario(region("ZERO", "", ALL),
                               indices=tuple(range(ALL))),
    "hugetlb, whole": huge("HUGETLB"),
    "hugetlb, by its head": huge("HUGETLB", indices=(0,)),
    "hugetlb, by a tail": huge("HUGETLB", indices=(77,)),
    "hugetlb, never touched": Scenario(region("UNTOUCHED", "", ALL),
                                       indices=tuple(range(ALL))),
    # There are no pools here: what is free is for all.
    "hugetlb, the destination's pool empty": huge("HUGETLB", indices=(0,)),
    "destination full": Scenario(region(pages=4 * ALL),
                                 indices=tuple(range(4 * ALL)), room=ALL),
    "hugetlb, destination full": Scenario(
        region("HUGETLB", pages=8 * ALL),
        indices=tuple(range(0, 8 * ALL, ALL)), room=ALL),
    "THP, asked to two destinations": huge(
        "HUGE", nodes=(1,) * HALF + (0,) * HALF),
    "hugetlb, asked to two destinations": huge(
        "HUGETLB", nodes=(1,) * HALF + (0,) * HALF),

    "bound to other nodes by cpuset": Scenario(region() +
                                               "  allowed_nodes: 0\n"),
    "bound by cpuset while it migrates": held(
        event("SET_ALLOWED_NODES", "allowed_nodes: 0")),
    "exits while it migrates": held(event("EXIT")),
    "becomes another program while it migrates": held(event("EXEC")),
    "pid of another process by now": Scenario(
        region() + "  start_time_ticks: 2\n",
        arguments=("--start-time", "1")),
    "target of another user, no right to trace": Scenario(
        region() + "  not_permitted: true\n"),
    "hides itself while it migrates": held(event("LOSE_PERMISSION")),

    # Both end only while somebody waits for them: 10 passes are fewer tries.
    # Whoever waits uses up all tries that there are, so they are alone.
    "under writeback on a slow device": Scenario(
        region("FILE", MAPPED),
        file(BUFFERED) + fault("WRITEBACK", pages=PAGES, more="tries: 20"),
        room=NODE_PAGES),
    "locked by slow I/O": Scenario(
        region("FILE", MAPPED),
        file(BUFFERED) + fault("LOCK", more="tries: 20"),
        indices=(0,), room=NODE_PAGES),
    # Minix has a migrate operation in the later kernel.
    "page cache, dirty, on a file system that writes out": Scenario(
        region("FILE", MAPPED),
        {"6.1": file(DIRTY_FILE + "NONE"),
         "6.12": file(DIRTY_FILE + "BUFFER private_data: true")}),
    "pinned by O_DIRECT in flight": Scenario(region(),
                                             fault("PIN", pages=PAGES)),
    "swapped out": Scenario(region("SWAPPED", "")),
    "swapped in, still in the swap cache": Scenario(
        region(more=ON_0 + " swap_cached: true")),
}

_PARTS_OF_HUGE_PAGES = (
    "a huge page of which a part is mapped, or mapped elsewhere, exists since "
    "Linux 4.5; the design of 4.0 takes the page apart")
_PAGES_OF_THE_KERNEL = (
    "it has no mappings of the kernel's own pages, which lie on any node")
CANNOT_SHOW = {
    "vdso": _PAGES_OF_THE_KERNEL,
    "vvar": _PAGES_OF_THE_KERNEL,
    "THP, half of it unmapped": _PARTS_OF_HUGE_PAGES,
    "THP, half of it mapped elsewhere": _PARTS_OF_HUGE_PAGES,
    "THP, a page of the half mapped elsewhere": _PARTS_OF_HUGE_PAGES,
    "THP, mapped by base pages": _PARTS_OF_HUGE_PAGES,
    "hugetlb, a surplus page of an empty pool":
        "it has no pools of huge pages, hence no surplus: each comes from "
        "free memory",
    "target of another user": "its processes have no users",
    "pinned, page states not visible":
        "it sees the states of its own pages, and has no rights to lose there",
}
