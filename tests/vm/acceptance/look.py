"""An independent look at where pages are: move_pages(2) without nodes, by
ctypes, and the frames of pagemap, with nothing of Pageferry's in between."""

import ctypes
import dataclasses
import os
import struct

PAGE = 4096
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
ZERO_PAGE = 1 << 24


@dataclasses.dataclass(frozen=True)
class Page:
    """One page by its frame, which no hint and no protection hides."""
    node: int | None  # of the frame; None: no frame, or the kernel's zeroes
    status: int       # of a move_pages(2) query: a node or a negative errno
    present: bool
    swapped: bool
    frame: int
    flags: int        # of the frame in /proc/kpageflags


def _zones():
    """Of each zone: its node and, by their names in /proc/zoneinfo, figures."""
    zones = []
    with open("/proc/zoneinfo", encoding="ascii") as text:
        for line in text:
            words = line.replace(",", " ").replace(":", " ").split()
            if words[0] == "Node":
                zones.append({"node": int(words[1])})
            elif words[0] in ("low", "spanned", "start_pfn"):
                zones[-1].setdefault(words[0], int(words[1]))
    return [zone for zone in zones if zone.get("spanned")]


def low_watermark_bytes(node):
    """Below it the kernel reclaims."""
    return PAGE * sum(zone["low"] for zone in _zones() if zone["node"] == node)


def _read_words(file, first, count=1):
    """Words of a file that is a list of them; zeroes behind its end."""
    data = os.pread(file.fileno(), count * 8, first * 8)
    return struct.unpack(f"<{count}Q", data.ljust(count * 8, b"\0"))


def _pagemap(pid, addresses):
    """The entry of each address; what follows each other is read together."""
    entries = {}
    numbers = sorted({address // PAGE for address in addresses
                      if address < 1 << 56})
    with open(f"/proc/{pid}/pagemap", "rb") as pagemap:
        while numbers:
            first, count = numbers[0], 1
            while count < len(numbers) and numbers[count] == first + count:
                count += 1
            entries.update(zip(numbers, _read_words(pagemap, first, count)))
            del numbers[:count]
    return [entries.get(address // PAGE, 0) for address in addresses]


def see(pid, addresses):
    """A Page for each address."""
    zones = _zones()
    pages = []
    with open("/proc/kpageflags", "rb") as kpageflags:
        for entry, status in zip(_pagemap(pid, addresses),
                                 locate(pid, addresses)):
            present = bool(entry >> 63 & 1)
            frame = entry & ((1 << 55) - 1) if present else 0
            flags = _read_words(kpageflags, frame)[0] if frame else 0
            node = None
            if frame and not flags & ZERO_PAGE:
                node = next(zone["node"] for zone in zones
                            if 0 <= frame - zone["start_pfn"]
                            < zone["spanned"])
            pages.append(Page(node, status, present, bool(entry >> 62 & 1),
                              frame, flags))
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
