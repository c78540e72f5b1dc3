"""States of a target as a whole: its cpuset, its user, its end, and what a
daemon with few rights makes of it."""

import contextlib
import os

from states import (PAGES, Process, start_time, state, ticks_now,
                    write_file)
from states_plain import ALL_MOVE
from support import Daemon, wait_for
from asking import Case

CGROUP = "/sys/fs/cgroup/pageferry-states"
# Bounding sets of setpriv(1); deploy/README.md has the profiles.
WEAK = "-all,+dac_read_search"
NO_PAGE_STATES = "-all,+sys_ptrace,+dac_read_search,+sys_nice"
# So many passes that a target can change between two of them.
MANY_PASSES = ("--max-passes", "100")


def setpriv(bounding_set):
    return ("setpriv", "--bounding-set", bounding_set, "--inh-caps=-all")


def held_page(process):
    """One that stays where it is, and is tried again in each pass."""
    start = process.map(1)
    process.write(start, 1, 0)
    process.hold(start)
    return [start]


@contextlib.contextmanager
def cpuset(pid, nodes):
    write_file("/sys/fs/cgroup/cgroup.subtree_control", "+cpuset")
    os.mkdir(CGROUP)
    try:
        write_file(CGROUP + "/cpuset.mems", nodes)
        write_file(CGROUP + "/cgroup.procs", pid)
        yield
    finally:
        write_file("/sys/fs/cgroup/cgroup.procs", pid)
        os.rmdir(CGROUP)


@state("bound to other nodes by cpuset", "REFUSED FAILED_PRECONDITION")
def bound(lab, _):
    process = lab.process()
    addresses = process.written(PAGES)
    with cpuset(process.pid, "0"):
        yield Case(process.pid, addresses)


@state("bound by cpuset while it migrates", "FAILED CPUSET 1")
def bound_meanwhile(lab, _):
    with lab.own_process() as process:
        addresses = held_page(process)
        with cpuset(process.pid, "0-1"):
            yield Case(process.pid, addresses, arguments=MANY_PASSES,
                       after_pass=lambda: write_file(CGROUP + "/cpuset.mems",
                                                     "0"))


@state("exits while it migrates", "NOT_ATTEMPTED PROCESS_EXITED 1")
def exiting(lab, _):
    with lab.own_process() as process:
        yield Case(process.pid, held_page(process), arguments=MANY_PASSES,
                   after_pass=process.end, gone=True)


@state("becomes another program while it migrates",
       "NOT_ATTEMPTED PROCESS_EXITED 1")
def replaced(lab, _):
    with lab.own_process() as process:

        def become():
            process.become_sleep()
            wait_for(lambda: os.readlink(f"/proc/{process.pid}/exe")
                     .endswith("sleep"), "another program")

        yield Case(process.pid, held_page(process), arguments=MANY_PASSES,
                   after_pass=become, gone=True)


@state("pid of another process by now", "REFUSED NOT_FOUND")
def reused(lab, _):
    with lab.own_process() as first:
        pid = first.pid
        ticks = start_time(pid)
    # Within one tick both would have the same start time.
    wait_for(lambda: ticks_now() > ticks, "another tick")

    def again():
        write_file("/proc/sys/kernel/ns_last_pid", pid - 1)
        second = Process()
        if second.pid == pid:
            return second
        second.close()
        return None

    with contextlib.closing(wait_for(again, "the same pid")) as second:
        yield Case(pid, second.written(PAGES),
                   arguments=("--start-time", ticks))


def other_users(lab, column, daemon=None):
    case = lab.region(("anon:8:0",), 0, column, "--uid", "1000")
    case.daemon = daemon
    return case


@state("target of another user", ALL_MOVE)
def of_another_user(lab, column):
    yield other_users(lab, column)


@state("target of another user, no right to trace",
       "REFUSED PERMISSION_DENIED")
def out_of_reach(lab, column):
    yield other_users(lab, column, weak_daemon(lab))


def weak_daemon(lab):
    return lab.once("weak daemon", lambda: Daemon(prefix=setpriv(WEAK)))


@state("hides itself while it migrates", "NOT_ATTEMPTED PERMISSION_LOST 1")
def hides(lab, _):
    """The daemon may look into it as its equal, until it hides."""
    with lab.own_process(*setpriv("-all")) as process:
        yield Case(process.pid, held_page(process), arguments=MANY_PASSES,
                   after_pass=process.hide, daemon=weak_daemon(lab))


@state("pinned, page states not visible", "FAILED BUSY 1")
def pinned_unseen(lab, _):
    process = lab.process()
    addresses = held_page(process)
    yield Case(process.pid, addresses, daemon=lab.once(
        "daemon without states",
        lambda: Daemon(prefix=setpriv(NO_PAGE_STATES))))
    process.let_go()
