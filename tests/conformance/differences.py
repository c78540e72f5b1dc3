"""The differences between the model and the kernels that are right."""

import dataclasses

HALF = 256  # of a huge page
MODES = ("async", "sync-light", "sync")
KERNELS = ("6.1", "6.12")
AS_6_1 = ("model as 6.1", "6.1")  # the model has the kernel's trait


@dataclasses.dataclass(frozen=True)
class Difference:
    """Of `state`, in `modes`, what `columns` say other than the model."""
    state: str
    columns: tuple
    said: str
    place: str
    cause: str
    modes: tuple = MODES

    def concerns(self, state, mode, column):
        return (state == self.state and mode in self.modes and
                column in self.columns)


DIFFERENCES = (
    Difference(
        "PROT_NONE", AS_6_1, "FAILED UNSUPPORTED 8", "UNSUPPORTED 8",
        "kernel version: move_pages(2) finds no page that may not be accessed "
        "in Linux 6.1 to 6.4"),
    Difference(
        "NUMA-hinted, file of two mappers", AS_6_1, "FAILED NUMA_HINT 8",
        "NUMA_HINT 8",
        "kernel version: move_pages(2) finds no page behind a NUMA hint in "
        "Linux 6.1 to 6.4, and one of two mappings is not touched to uncover "
        "it"),
    Difference(
        "page cache, dirty, on a file system that writes out", AS_6_1,
        "FAILED DIRTY 8", "on 0 8",
        "kernel version: minix has no migrate operation in 6.1, so that its "
        "dirty pages are written first, for which only sync waits",
        modes=("async", "sync-light")),
    Difference(
        "tmpfs, one page pinned", KERNELS, "FAILED BUSY 1, MOVED 7",
        "on 0 1, on 1 7",
        "screening: nothing shows the references of a page, and one of a file "
        "may be held by its file system, so that PINNED is said of anonymous "
        "pages only; the model sees who holds it"),
    Difference(
        "device mapping, frames of no memory", KERNELS,
        "FAILED NOT_PRESENT 8", "NOT_PRESENT 8",
        "screening: neither pagemap nor a query tells such pages from those "
        "that were never touched; the model knows its devices"),
    Difference(
        "THP, asked to two destinations", KERNELS,
        f"FAILED FOLIO_CONFLICT {HALF}, MOVED {HALF}", "on 1 512",
        "kernel version: a huge page moves as a whole since Linux 4.14; the "
        "design of 4.0 splits it, and each half goes where it is asked"),
)


@dataclasses.dataclass(frozen=True)
class Varying:
    """A state of which how many pages meet with what is chance. `said` is a
    regular expression for what may be said; `in_sync`: another, in that
    mode. The places have to fit to it."""
    said: str
    in_sync: str
    cause: str


_FULL = Varying(
    said=r"FAILED NO_MEMORY \d+(, MOVED \d+)?(, NOT_ATTEMPTED ABORTED \d+)?",
    in_sync=r"MOVED \d+",
    cause="how much fits into a node that is nearly full depends on what the "
          "kernel keeps and, in sync, on what it reclaims; how much of the "
          "rest is tried, on how long calls are")
VARYING = {"destination full": _FULL, "hugetlb, destination full": _FULL}
