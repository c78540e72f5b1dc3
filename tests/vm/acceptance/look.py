"""An independent look at where pages are: move_pages(2) without nodes, by
ctypes, and the frames of pagemap, with nothing of Pageferry's in between."""

import contextlib
import ctypes
import dataclasses

import frames
from frames import PAGE, ZERO_PAGE

MOVE, MOVE_ALL = 2, 4  # flags of move_pages(2)
UNWRITTEN = -(1 << 31)  # a status that the kernel never writes

_libnuma = ctypes.CDLL("libnuma.so.1", use_errno=True)
_move_pages = _libnuma.move_pages
_move_pages.restype = ctypes.c_long
_move_pages.argtypes = [
    ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_void_p, ctypes.c_int
]


def locate(pid, addresses):
    """The node, or the negative errno, of each address, as a list."""
    count = len(addresses)
    pages = (ctypes.c_ulong * count)(*addresses)
    statuses = (ctypes.c_int * count)(*([-22] * count))
    if _move_pages(pid, count, pages, None, statuses, 0) < 0:
        raise OSError(ctypes.get_errno(), "move_pages query")
    return list(statuses)


def locate_region(pid, start, pages):
    return locate(pid, [start + i * PAGE for i in range(pages)])


def free_bytes(node):
    path = f"/sys/devices/system/node/node{node}/meminfo"
    with open(path, encoding="ascii") as meminfo:
        for line in meminfo:
            if "MemFree:" in line:
                return int(line.split()[3]) * 1024
    raise ValueError(f"no MemFree in {path}")


def vmstat(name):
    with open("/proc/vmstat", encoding="ascii") as text:
        for line in text:
            key, value = line.split()
            if key == name:
                return int(value)
    raise KeyError(name)


# Bits of /proc/kpageflags.
LOCKED = 1 << 0
DIRTY = 1 << 4
LRU = 1 << 5
WRITEBACK = 1 << 8
SWAP_CACHE = 1 << 13
THP = 1 << 22


@dataclasses.dataclass(frozen=True)
class Page:
    """One page by its frame, which no hint and no protection hides."""
    node: int | None  # of the frame; None: no frame, or the kernel's zeroes
    status: int       # of a move_pages(2) query: a node or a negative errno
    present: bool
    swapped: bool
    frame: int
    flags: int        # of the frame in /proc/kpageflags


def low_watermark_bytes(node):
    """Below it the kernel reclaims."""
    return PAGE * sum(zone.low for zone in frames.zones() if zone.node == node)


def see(pid, addresses):
    """A Page for each address."""
    numbers = sorted({address // PAGE for address in addresses})
    pages = []
    with contextlib.closing(frames.Frames()) as all_frames:
        found = all_frames.look(pid, [number * PAGE for number in numbers])
        for address, status in zip(addresses, locate(pid, addresses)):
            entry = found[address // PAGE * PAGE]
            flags = all_frames.flags(entry.frame) if entry.frame else 0
            node = None if flags & ZERO_PAGE else entry.node
            pages.append(Page(node, status, entry.present, entry.swapped,
                              entry.frame, flags))
    return pages


def anonymous(pid, address):
    """Whether it lies in a mapping that has no name, hence no file."""
    with open(f"/proc/{pid}/maps", encoding="utf-8") as maps:
        for line in maps:
            words = line.split()
            start, end = (int(word, 16) for word in words[0].split("-"))
            if start <= address < end:
                return len(words) < 6
    return False


def move(pid, addresses, node, flags):
    """move_pages(2) itself, every status preset to UNWRITTEN. Returns the
    return value (-errno for an error) and the statuses. `node` is one for
    all pages, or a list."""
    count = len(addresses)
    pages = (ctypes.c_ulong * count)(*addresses)
    wanted = node if isinstance(node, list) else [node] * count
    nodes = (ctypes.c_int * count)(*wanted)
    statuses = (ctypes.c_int * count)(*([UNWRITTEN] * count))
    returned = _move_pages(pid, count, pages, nodes, statuses, flags)
    if returned < 0:
        returned = -ctypes.get_errno()
    return returned, list(statuses)
