"""Compares results with what two independent looks found, before and after."""

import collections

import look
from frames import COMPOUND, ZERO_PAGE, Mappings
from support import KERNEL

HUGE_BYTES = 2 << 20
# Failures that pass: somebody else held the page for a moment.
MOMENTARY = ("BUSY", "LOCKED", "WRITEBACK")

# One page's share of a PageResult, with names for numbers. `node` is None
# where none was told; `looked_at`: the daemon has looked at the page.
Result = collections.namedtuple("Result", "outcome reason node looked_at")


class Judge:
    """What is known of a target's pages before a migration, to judge the
    results by afterwards. Each check returns why a result contradicts the
    looks, or None."""

    def __init__(self, frames, pid, pages, maybe_pinned, destinations):
        self._frames = frames
        self._pid = pid
        self._pages = sorted(pages)
        self._destinations = destinations
        self._before = frames.look(self._pid, self._pages)
        self._mappings = Mappings(self._pid)
        self._aliased, self._torn = self._frames_seen_twice()
        by_node = [{address // HUGE_BYTES for address, destination
                    in destinations.items() if destination == node}
                   for node in (0, 1)]
        torn_blocks = by_node[0] & by_node[1]
        # Pages of huge ones whose 2 MiB are asked to both nodes. The kernel may
        # split what it moves, so that it cannot be told afterwards.
        self._in_torn_folios = {
            address for address, entry in self._before.items()
            if entry.frame and address // HUGE_BYTES in torn_blocks and
            frames.flags(entry.frame) & COMPOUND}
        self._after = self._nodes = None
        self._maybe_pinned = maybe_pinned

    def _frames_seen_twice(self):
        """Frames that several pages have (KSM, two mappings of one file), and
        those of them that are asked to both nodes."""
        asked = {}
        aliased, torn = set(), set()
        for address, entry in self._before.items():
            destination = self._destinations[address]
            if entry.frame in asked:
                aliased.add(entry.frame)
                if asked[entry.frame] != destination:
                    torn.add(entry.frame)
            asked[entry.frame] = destination
        torn.discard(0)
        return aliased, {frame for frame in torn
                         if not self._frames.flags(frame) & ZERO_PAGE}

    def is_torn(self, address):
        """One frame asked to two nodes: it ends where the last call brings
        it, and what was said of its other pages before was true then."""
        return self._before[address].frame in self._torn

    def look_again(self):
        self._after = self._frames.look(self._pid, self._pages)
        self._nodes = dict(zip(self._pages,
                               look.locate(self._pid, self._pages)))

    def moved_pages(self):
        """Pages on another node than before."""
        return [address for address in self._pages
                if self._before[address].node is not None and
                self._after[address].node is not None and
                self._before[address].node != self._after[address].node]

    def describe(self, address):
        """All that is known of a page, for people."""
        before, after = self._before[address], self._after[address]
        flags = (hex(self._frames.flags(after.frame)) if after.frame else "-")
        torn = address in self._in_torn_folios
        return (f"before {before}, after {after}, flags {flags}, query "
                f"{self._nodes[address]}, mapping "
                f"{self._mappings.permissions(address)}, of a folio asked to "
                f"{'two nodes' if torn else 'one node'}")

    def contradiction(self, address, result, destination, balancing=False):
        """Of a page that nobody but the daemon moves; with balancing, the
        kernel may bring it to node 0."""
        if balancing:
            return self._wrong_though_balanced(address, result, destination)
        if result.outcome in ("MOVED", "ALREADY_PLACED"):
            return self._wrongly_placed(address, result, destination)
        after = self._after[address]
        if result.outcome == "WOULD_MOVE":
            if after.node == destination or after.node != result.node:
                return "would not move"
            return None
        if result.node is not None:
            if result.node != after.node:
                return "is elsewhere"
            if result.node == destination and (
                    result.reason != "FOLIO_CONFLICT"):
                return "is on its destination"
        elif result.looked_at and self._nodes[address] >= 0:
            return "can be located"
        if result.outcome == "FAILED":
            return self._wrong_reason(address, result)
        return None

    def _wrong_though_balanced(self, address, result, destination):
        after = self._after[address]
        if result.outcome in ("MOVED", "ALREADY_PLACED"):
            if destination == 0 and not after.node == result.node == 0:
                return "is not on its destination"
        elif result.node == 0 and after.node == 1:
            return "has not stayed"
        return None

    def _wrongly_placed(self, address, result, destination):
        before, after = self._before[address], self._after[address]
        if not after.node == result.node == destination:
            return "is not on its destination"
        was_there = before.node == destination
        # What was asked with a page of its huge one to the other node may have
        # gone there with that, been split from it, and come back by itself.
        if result.outcome == "MOVED" and was_there and (
                address not in self._in_torn_folios):
            return "was there before"
        # One that came with its frame, moved for another page, was there when
        # its turn came.
        if result.outcome == "ALREADY_PLACED" and not was_there and (
                before.frame not in self._aliased):
            return "was elsewhere before"
        return None

    def _wrong_reason(self, address, result):
        """Whether the state of the page gives the reason."""
        entry = self._after[address]
        reason = result.reason
        permissions = self._mappings.permissions(address)
        large = bool(entry.frame and
                     self._frames.flags(entry.frame) & COMPOUND)
        zero = bool(entry.frame and
                    self._frames.flags(entry.frame) & ZERO_PAGE)
        nowhere = not entry.present and not entry.swapped
        holds = {
            "NOT_MAPPED": permissions is None and nowhere,
            "INVALID": address >= 1 << 56,
            "NOT_PRESENT": permissions is not None and nowhere,
            "SWAPPED_OUT": entry.swapped,
            "ZERO_PAGE": zero,
            "SHARED": entry.present and (not entry.exclusive or large),
            "PINNED": entry.present and address in self._maybe_pinned,
            "UNSUPPORTED": KERNEL == "6.1" and permissions is not None and
                           permissions.startswith("---"),
            "FOLIO_CONFLICT": address in self._in_torn_folios,
            "NOT_MOVABLE": permissions is not None and not zero,
            "NO_MEMORY": large,
        }
        if reason in MOMENTARY:
            return None if entry.present and not zero else "is not there"
        if not holds.get(reason, False):
            return f"does not look {reason}"
        return None

    def blamed_in_vain(self, address, result, destination):
        """A page with nothing against it that did not move."""
        entry = self._before[address]
        return (result.outcome == "FAILED" and result.reason in MOMENTARY and
                entry.present and entry.exclusive and
                entry.node != destination and
                address not in self._maybe_pinned)
