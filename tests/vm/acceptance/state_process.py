"""A process whose memory gets into states on request: a line of JSON in,
`["method", [argument...], {"name": argument...}]` of class Memory, a line of
JSON out."""

import ctypes
import json
import mmap
import os
import signal
import sys
import threading

PAGE = 4096
HUGE = 2 << 20
PROT_READ, PROT_WRITE = 1, 2
MAP_SHARED, MAP_PRIVATE, MAP_FIXED = 1, 2, 0x10
MAP_ANONYMOUS, MAP_NORESERVE, MAP_HUGETLB = 0x20, 0x4000, 0x40000
MREMAP_MAYMOVE, MREMAP_FIXED = 1, 2
PR_SET_PDEATHSIG, PR_SET_DUMPABLE = 1, 4
MPOL_DEFAULT, MPOL_BIND = 0, 2
MADV_HUGEPAGE, MADV_NOHUGEPAGE = 14, 15
SYNC_FILE_RANGE_WRITE = 2

LIBC = ctypes.CDLL(None, use_errno=True)
LIBNUMA = ctypes.CDLL("libnuma.so.1", use_errno=True)
for name in ("mmap", "mremap"):
    getattr(LIBC, name).restype = ctypes.c_void_p


def call(function, *arguments):
    """A call of libc with 64-bit arguments; its errno as an OSError."""
    result = function(*[ctypes.c_long(argument) for argument in arguments])
    if result in (-1, (1 << 64) - 1):
        raise OSError(ctypes.get_errno(), function.__name__)
    return result


def bind(node):
    """What is touched from now on comes from `node`; None: from any."""
    if node is None:
        LIBNUMA.set_mempolicy(MPOL_DEFAULT, None, ctypes.c_ulong(0))
        return
    mask = ctypes.c_ulong(1 << node)
    if LIBNUMA.set_mempolicy(MPOL_BIND, ctypes.byref(mask),
                             ctypes.c_ulong(64)) != 0:
        raise OSError(ctypes.get_errno(), "set_mempolicy")


class Memory:
    """What the process can be asked for. Addresses are plain numbers."""

    def __init__(self):
        self._kept = []  # pipes that hold pages
        self._spinning = threading.Event()

    def map(self, pages, path=None, offset=0, huge=False, hugetlb=False,
            reserve=False):
        """Maps readable, writable memory: private and anonymous, or of a file,
        shared. `huge`: aligned, huge pages advised. `reserve`: nobody else
        can have the huge pages of hugetlb."""
        alignment = HUGE if huge or hugetlb else PAGE
        size = pages * PAGE
        flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE
        whole = call(LIBC.mmap, 0, size + 2 * alignment, 0, flags, -1, 0)
        start = whole + alignment - whole % alignment
        descriptor = -1
        if path is not None:
            descriptor = os.open(path, os.O_RDWR)
            flags = MAP_SHARED
        if hugetlb:
            flags |= MAP_HUGETLB
        if reserve:
            flags &= ~MAP_NORESERVE
        call(LIBC.mmap, start, size, PROT_READ | PROT_WRITE,
             flags | MAP_FIXED, descriptor, offset)
        if path is not None:
            os.close(descriptor)
        elif not hugetlb:
            self.advise(start, pages, MADV_HUGEPAGE if huge
                        else MADV_NOHUGEPAGE)
        return start

    def advise(self, start, pages, advice):
        call(LIBC.madvise, start, pages * PAGE, advice)

    def unmap(self, start, pages):
        call(LIBC.munmap, start, pages * PAGE)

    def remap(self, start, pages):
        """Moves pages to another address, which it returns."""
        target = self.map(pages)
        return call(LIBC.mremap, start, pages * PAGE, pages * PAGE,
                    MREMAP_MAYMOVE | MREMAP_FIXED, target)

    def write(self, start, pages, node=None):
        """Stores into each page; new ones come from `node`."""
        bind(node)
        for i in range(pages):
            ctypes.memset(start + i * PAGE, 1 + i % 255, 1)
        bind(None)

    def read(self, start, pages, node=None):
        """Loads from each page; new ones come from `node`."""
        bind(node)
        for i in range(pages):
            ctypes.string_at(start + i * PAGE, 1)
        bind(None)

    def child(self, start=0, pages=0):
        """Forks a child that shares all there is, loads from pages, and
        sleeps."""
        ready, tell = os.pipe()
        pid = os.fork()
        if pid == 0:
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            self.read(start, pages)
            os.write(tell, b"1")
            while True:
                signal.pause()
        os.read(ready, 1)
        return pid

    def end_child(self, pid):
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)

    def hold(self, start):
        """An extra reference to a page, through a pipe."""
        ends = os.pipe()
        self._kept.append(ends)

        class Piece(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p),
                        ("length", ctypes.c_size_t)]

        piece = Piece(start, PAGE)
        if LIBC.vmsplice(ends[1], ctypes.byref(piece), 1, 0) != PAGE:
            raise OSError(ctypes.get_errno(), "vmsplice")

    def let_go(self):
        """Gives all extra references back."""
        for ends in self._kept:
            for end in ends:
                os.close(end)
        self._kept.clear()

    def read_direct(self, path, start, pages):
        """Begins to read from a device past the page cache into pages."""
        descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
        size = pages * PAGE

        def read():
            LIBC.pread(descriptor, ctypes.c_void_p(start),
                       ctypes.c_size_t(size), ctypes.c_long(0))
            os.close(descriptor)

        threading.Thread(target=read, daemon=True).start()

    def write_back(self, path):
        """Begins to write the dirty pages of a file; waits for none."""

        def write():
            descriptor = os.open(path, os.O_RDWR)
            LIBC.sync_file_range(descriptor, ctypes.c_long(0),
                                 ctypes.c_long(0), SYNC_FILE_RANGE_WRITE)
            os.close(descriptor)

        threading.Thread(target=write, daemon=True).start()

    def spin(self):
        """Uses a CPU, and none of the mapped pages, until `rest`."""
        self._spinning.set()

        def turn():
            while self._spinning.is_set():
                pass

        threading.Thread(target=turn, daemon=True).start()

    def rest(self):
        self._spinning.clear()

    def hide(self):
        """Lets nobody look inside who has not the right to trace."""
        if LIBC.prctl(PR_SET_DUMPABLE, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")

    def become_sleep(self):
        """Answers first, or there is nobody left to answer."""
        print("null", flush=True)
        os.execv("/bin/sleep", ["sleep", "600"])


def main():
    assert mmap.PAGESIZE == PAGE
    memory = Memory()
    for line in sys.stdin:
        method, arguments, named = json.loads(line)
        answer = getattr(memory, method)(*arguments, **named)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
