"""A second independent look: the page frame behind each page, from pagemap,
and the node that frame lies on, from zoneinfo. It sees what move_pages(2) does
not tell: pages behind PROT_NONE or a NUMA hint on 6.1, and why a page is on no
node. Touches nothing; needs root."""

import bisect
import collections
import os
import struct

PAGE = 4096
END_OF_USER_ADDRESSES = 1 << 47
ZERO_PAGE = 1 << 24
COMPOUND = 3 << 15  # head or tail of a page of several

# Bits of a pagemap entry; `node` is None where no frame is.
Look = collections.namedtuple("Look", "present swapped exclusive frame node")
NOTHING = Look(False, False, False, 0, None)


# Frames [first, end) of a node; below `low` free ones the kernel reclaims.
Zone = collections.namedtuple("Zone", "node first end low")


def zones():
    """All that have frames, from /proc/zoneinfo."""
    found, node, low, spanned = [], None, 0, 0
    with open("/proc/zoneinfo", encoding="ascii") as text:
        for line in text:
            words = line.replace(",", " ").replace(":", " ").split()
            if words[0] == "Node":
                node = int(words[1])
            elif words[0] == "low":
                low = int(words[1])
            elif words[0] == "spanned":
                spanned = int(words[1])
            elif words[0] == "start_pfn" and spanned > 0:
                first = int(words[1])
                found.append(Zone(node, first, first + spanned, low))
    return found


class Frames:
    """Looks at processes of this machine."""

    def __init__(self):
        self._zones = zones()
        self._flags = os.open("/proc/kpageflags", os.O_RDONLY)

    def close(self):
        os.close(self._flags)

    def node_of(self, frame):
        for zone in self._zones:
            if zone.first <= frame < zone.end:
                return zone.node
        raise ValueError(f"frame {frame} is in no zone")

    def flags(self, frame):
        return struct.unpack("<Q", os.pread(self._flags, 8, frame * 8))[0]

    def look(self, pid, addresses):
        """The Look of each page, by address; addresses of pages, sorted."""
        found = {}
        pagemap = os.open(f"/proc/{pid}/pagemap", os.O_RDONLY)
        try:
            first = 0
            while first < len(addresses):
                end = first + 1
                while (end < len(addresses) and
                       addresses[end] == addresses[end - 1] + PAGE):
                    end += 1
                self._read(pagemap, addresses[first], end - first, found)
                first = end
        finally:
            os.close(pagemap)
        return found

    def _read(self, pagemap, start, pages, found):
        data = b""
        if start < END_OF_USER_ADDRESSES:
            data = os.pread(pagemap, pages * 8, start // PAGE * 8)
        words = struct.unpack(f"<{len(data) // 8}Q", data)
        for i in range(pages):
            found[start + i * PAGE] = (
                self._entry(words[i]) if i < len(words) else NOTHING)

    def _entry(self, word):
        present = bool(word >> 63 & 1)
        frame = word & ((1 << 55) - 1) if present else 0
        return Look(present, bool(word >> 62 & 1), bool(word >> 56 & 1), frame,
                    self.node_of(frame) if present else None)


class Mappings:
    """What /proc/PID/maps said when this was made."""

    def __init__(self, pid):
        self._starts, self._mappings = [], []
        with open(f"/proc/{pid}/maps", encoding="utf-8") as text:
            for line in text:
                words = line.split()
                start, end = (int(word, 16) for word in words[0].split("-"))
                self._starts.append(start)
                self._mappings.append((end, words[1]))

    def permissions(self, address):
        """Such as "rw-p"; None where nothing is mapped."""
        i = bisect.bisect_right(self._starts, address) - 1
        if i < 0 or address >= self._mappings[i][0]:
            return None
        return self._mappings[i][1]
