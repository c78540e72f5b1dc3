"""An independent look at where pages are: move_pages(2) without nodes, by
ctypes, with nothing of Pageferry's in between."""

import ctypes

PAGE = 4096

_libnuma = ctypes.CDLL("libnuma.so.1", use_errno=True)
move_pages = _libnuma.move_pages
move_pages.restype = ctypes.c_long
move_pages.argtypes = [
    ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p, ctypes.c_void_p,
    ctypes.c_void_p, ctypes.c_int
]


def locate(pid, addresses):
    """The node, or the negative errno, of each address, as a list."""
    count = len(addresses)
    pages = (ctypes.c_ulong * count)(*addresses)
    statuses = (ctypes.c_int * count)(*([-22] * count))
    if move_pages(pid, count, pages, None, statuses, 0) < 0:
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
