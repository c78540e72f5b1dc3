"""States that last as long as I/O does: a device that is shut holds them, and
opens when the order of events says so, not after a time."""

import contextlib
import os
import subprocess

import look
from states import PAGES, all_have, on, state
from states_plain import ALL_MOVE, all_fail, ext4
from support import wait_for
from table import RAW
from asking import Case

MADV_PAGEOUT = 21


def waits(column):
    """Whether a mode waits for what is slow, as the system call does."""
    return column in ("sync", RAW)


def answer_then_open(gate, case_pages, flag):
    """For modes that do not wait: the whole answer has come, and the pages
    are still as they were. Then the device may go on."""

    def meanwhile(attempt):
        attempt.await_results()
        attempt.order.append("answered")
        assert all_have(*case_pages, flag), "the state ended before the answer"
        gate.open()
        attempt.order.append("I/O went on")

    return meanwhile


def sleep_then_open(gate, case_pages, flag):
    """For modes that wait: the mover sleeps in the kernel, and has answered
    nothing. Then the device goes on, and so does the mover."""

    def meanwhile(attempt):
        attempt.await_sleep_in_kernel()
        attempt.order.append("slept in the kernel")
        assert all_have(*case_pages, flag), "the state ended too early"
        gate.open()
        attempt.order.append("I/O went on")

    return meanwhile


def slow(gate, pid, addresses, flag, waiting):
    wait_for(lambda: all_have(pid, addresses, flag), f"page flag {flag:#x}")
    order = sleep_then_open if waiting else answer_then_open
    return Case(pid, addresses,
                meanwhile=order(gate, (pid, addresses), flag))


@state("under writeback on a slow device", async_=all_fail("WRITEBACK"),
       sync_light=all_fail("WRITEBACK"), sync=ALL_MOVE)
def writeback(lab, column):
    gate = ext4(lab)
    process = lab.process()
    with gate.guarded():
        path = lab.file(gate, PAGES)
        addresses = process.written(PAGES, path=path)
        gate.shut()
        process.write_back(path)
        yield slow(gate, process.pid, addresses, look.WRITEBACK, waits(column))


@state("locked by slow I/O", async_="FAILED LOCKED 1", sync_light="MOVED 1",
       sync="MOVED 1")
def locked(lab, column):
    """Minix reads from the device where a file's new page is to go, with that
    page locked."""
    gate = lab.gate("locks", "minix", "mkfs.minix", "-3")
    process = lab.process()
    with gate.guarded():
        path = lab.file(gate, PAGES, holes_from=4)
        start = process.map(PAGES, path=path) + 4 * look.PAGE
        process.read(start, 1, 0)
        gate.forget()
        process.write(start, 1)
        gate.shut()
        process.write_back(path)
        yield slow(gate, process.pid, [start], look.LOCKED,
                   column != "async")


# What this kernel's minix does with a dirty page that is to move: 6.1 has it
# written out first, so there only sync moves it.
WRITTEN_OUT = on(k6_1=all_fail("DIRTY"), k6_12=ALL_MOVE)


@state("page cache, dirty, on a file system that writes out",
       async_=WRITTEN_OUT, sync_light=WRITTEN_OUT, sync=ALL_MOVE)
def written_out(lab, _):
    gate = lab.gate("minix", "minix", "mkfs.minix", "-3")
    process = lab.process()
    with gate.guarded():
        addresses = process.written(PAGES, path=lab.file(gate, PAGES))
        assert all_have(process.pid, addresses, look.DIRTY)
        yield Case(process.pid, addresses)


@state("pinned by O_DIRECT in flight", all_fail("PINNED"))
def direct_io(lab, _):
    gate = lab.gate("direct")
    process = lab.process()
    with gate.guarded():
        addresses = process.written(PAGES)
        gate.shut()
        process.read_direct(gate.path, addresses[0], PAGES)
        wait_for(lambda: reads_direct(process.pid), "a read in flight")
        yield Case(process.pid, addresses)


def reads_direct(pid):
    """Whether a thread waits for its device."""
    for thread in os.listdir(f"/proc/{pid}/task"):
        with open(f"/proc/{pid}/task/{thread}/stat", encoding="ascii") as stat:
            if stat.read().rsplit(")", 1)[1].split()[0] == "D":
                return True
    return False


def run(*command):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def swapped_pages(lab):
    """Pages of the process that are swapped out. There is swap space only so
    long: with it, the kernel would take pages of other cases away."""
    device = lab.gate("swap").path
    run("mkswap", device)
    run("swapon", device)
    try:
        process = lab.process()
        addresses = process.written(PAGES)

        def out():
            process.advise(addresses[0], PAGES, MADV_PAGEOUT)
            return all(page.swapped
                       for page in look.see(process.pid, addresses))

        wait_for(out, "pages swapped out")
        yield process, addresses
    finally:
        run("swapoff", device)


@state("swapped out", all_fail("SWAPPED_OUT"))
def swapped(lab, _):
    with swapped_pages(lab) as (process, addresses):
        yield Case(process.pid, addresses)


@state("swapped in, still in the swap cache", ALL_MOVE)
def swap_cache(lab, _):
    with swapped_pages(lab) as (process, addresses):
        process.read(addresses[0], PAGES, 0)
        assert all_have(process.pid, addresses, look.SWAP_CACHE)
        yield Case(process.pid, addresses)
