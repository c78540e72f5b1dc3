"""Migrates a target in a state, by Pageferry and by move_pages(2) itself, and
compares what each said with what a look finds."""

import dataclasses
import errno
import os
import threading

import look
from support import MODES, Events
from asking import REFUSED, Attempt, answer_text, ask_cli
from events import count_text

RAW = "raw"
COLUMNS = (*MODES, RAW)


@dataclasses.dataclass
class Cell:
    """What a column found out about a state."""
    said: str
    found: str
    problems: list
    reasons: set = dataclasses.field(default_factory=set)
    order: list = None  # of what happened, where `meanwhile` notes it


def see_after(case):
    return None if case.gone else look.see(case.pid, case.addresses)


def found_text(pages):
    if pages is None:
        return "gone"

    def place(page):
        if page.node is not None:
            return f"on {page.node}:"
        if page.flags & look.ZERO_PAGE:
            return "zeroes:"
        return "swapped:" if page.swapped else "nowhere:"

    return count_text(place(page) for page in pages)


def problems_of_page(said, before, after, to):
    """Where a result and the look disagree."""
    outcome = said["outcome"].removeprefix("PAGE_OUTCOME_")
    reason = said.get("reason", "").removeprefix("PAGE_REASON_")
    there = after.node == to
    node = said.get("node")
    if node is not None and node != after.node:
        yield f"says node {node}"
    if outcome == "MOVED":
        if not there or node != to:
            yield "MOVED but is not there"
        if before.node == to:
            yield "MOVED but was there"
        if said.get("source_node", before.node) != before.node:
            yield "MOVED from elsewhere"
    if outcome == "ALREADY_PLACED" and not (before.node == to and there):
        yield "ALREADY_PLACED but was not there"
    if outcome in ("FAILED", "NOT_ATTEMPTED") and there and \
            reason not in ("NOT_MOVABLE", "FOLIO_CONFLICT"):
        yield f"{outcome} but is there"
    if outcome == "FAILED" and node is None and after.status >= 0:
        yield "no node though it has one"


def problems_of_folios(case, events, migrated):
    """Where results and sums disagree with the size of the folios and with
    how many pages the kernel says that it has migrated."""
    folios = {said.get("folio_pages") for said in events.pages.values()}
    if folios != {case.folio_pages}:
        yield f"folio_pages {folios} for {case.folio_pages}"
    with_companions = (events.count("moved_pages") +
                       events.count("companion_pages"))
    if events.count("moved_bytes") != with_companions * look.PAGE:
        yield f"moved_bytes {events.count('moved_bytes')}"
    # Pages that were asked elsewhere are no companions, and move all the same.
    taken_along = events.failures().get("FOLIO_CONFLICT", 0)
    if with_companions + taken_along != migrated:
        yield (f"{with_companions} pages moved, companions included; the "
               f"kernel has migrated {migrated}")


def compare(case, events, migrated, before, after):
    problems = []
    if events.doubles or len(events.pages) != len(case.addresses):
        problems.append(f"{len(events.pages)} results for "
                        f"{len(case.addresses)} pages")
    if case.folio_pages is not None:
        problems += problems_of_folios(case, events, migrated)
    for i, address in enumerate(case.addresses if after else ()):
        said = events.pages.get(address // look.PAGE * look.PAGE)
        if said is None:
            continue
        problems += [f"{address:#x}: {problem}: {said} {before[i]} {after[i]}"
                     for problem in problems_of_page(said, before[i], after[i],
                                                     case.node_of(i))]
    return problems


def measure_ours(case, daemon, mode):
    """One of our columns."""
    daemon = case.daemon or daemon
    attempt = Attempt(daemon.process.pid)
    before = look.see(case.pid, case.addresses)
    migrated = look.vmstat("pgmigrate_success")
    code, text, errors = (case.ask or ask_cli)(case, daemon, mode, attempt)
    events = Events(text)
    said = answer_text(code, events, errors)
    migrated = look.vmstat("pgmigrate_success") - migrated
    after = see_after(case)
    if events.summary is None:
        problems = ["no summary"] if code != REFUSED else []
        if after and [page.frame for page in after] != \
                [page.frame for page in before]:
            problems.append("not begun, but pages have moved")
        return Cell(said, found_text(after), problems)
    reasons = {result["reason"].removeprefix("PAGE_REASON_")
               for result in events.pages.values() if "reason" in result}
    return Cell(said, found_text(after),
                compare(case, events, migrated, before, after), reasons,
                attempt.order + ["answered"])


def raw_status_is_wrong(case, address, status, before, after):
    """Whether a status says what the look does not find: a node where the
    page is not, an error of one that has moved, or, in the words of
    move_pages(2), "not present" of a page in memory (ENOENT) and "zero page or
    not mapped" of one that was never touched (EFAULT). What EFAULT says of
    mappings of devices is not looked into: the look is blind there too."""
    if status >= 0:
        return after.node != status
    if after.node is not None and before.node != after.node:
        return True
    if status == -errno.ENOENT:
        return after.present
    return (status == -errno.EFAULT and not after.present and
            look.anonymous(case.pid, address))


def measure_raw(case):
    """The column of the system call."""
    attempt = Attempt(os.getpid())
    before = look.see(case.pid, case.addresses)
    answer = []
    flags = look.MOVE_ALL if case.shared else look.MOVE
    mover = threading.Thread(target=lambda: answer.extend(
        look.move(case.pid, case.addresses, case.nodes or case.to, flags)))
    if case.after_pass is not None:
        case.after_pass()
    mover.start()
    if case.meanwhile is not None:
        case.meanwhile(attempt)
    mover.join()
    returned, statuses = answer
    after = see_after(case)
    said = f"{errno_name(returned)}: " + count_text(
        errno_name(status) for status in statuses)
    missing = statuses.count(look.UNWRITTEN)
    pages = zip(case.addresses, statuses, before, after or ())
    wrong = sum(raw_status_is_wrong(case, address, status, old, new)
                for address, status, old, new in pages
                if status != look.UNWRITTEN)
    found = [f"{missing} missing"] * bool(missing) + \
        [f"{wrong} wrong"] * bool(wrong)
    return Cell(said, found_text(after), found)


def errno_name(value):
    if value == look.UNWRITTEN:
        return "unwritten"
    if value >= 0:
        return str(value)
    return errno.errorcode.get(-value, str(value))


def table_text(rows):
    """`rows`: state to its cells by column."""
    lines = [("state", *MODES, "raw: return: statuses", "look",
              "raw status wrong")]
    for name, cells in rows.items():
        found = {}
        for column, cell in cells.items():
            found.setdefault(cell.found, []).append(column)
        places = "; ".join(
            place if len(found) == 1 else " ".join(columns) + " " + place
            for place, columns in found.items())
        lines.append((name, *(cells[column].said for column in COLUMNS),
                      places, ", ".join(cells[RAW].problems) or "no"))
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join(" | ".join(word.ljust(width) for word, width
                                in zip(line, widths)).rstrip()
                     for line in lines)
