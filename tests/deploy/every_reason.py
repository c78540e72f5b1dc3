"""Has a daemon with every-reason.textproto meet everything that keeps pages
from moving."""

import sys

from model_daemon import ROOT

sys.path.insert(0, str(ROOT / "tests/wire"))
import wire_daemon  # noqa: E402, pylint: disable=wrong-import-position
from wire_daemon import migration_pb2 as messages  # noqa: E402, pylint: disable=wrong-import-position

SCENARIO = ROOT / "tests/deploy/every-reason.textproto"
METRICS = ("failed", "retried", "recovered")
# In the order in which they are made: what holds pages for some tries holds
# them in the first migration only.
MIGRATIONS = [
    # There and back, in each mode; already there; dry; no room.
    *(f"--pid 100 --all --from {origin} --to {to} --mode {mode}"
      for mode in ("async", "sync-light", "sync")
      for origin, to in ((0, 1), (1, 0))),
    "--pid 100 --to 0 --mode async --range 0x10000000:64",
    "--pid 100 --to 1 --mode async --range 0x10000000:64 --dry-run",
    "--pid 100 --to 2 --mode async --range 0x10000000:256",
    "--pid 101 --to 1 --mode async --range 0x10000000:64",
    # One address stands for the whole.
    "--pid 102 --to 1 --mode async --address 0x40000000",
    # The last address is none of a process, and the one before not mapped.
    "--pid 103 --to 1 --mode async --range 0x10000000:8 --range 0x11000000:8"
    " --range 0x12000000:8 --range 0x13000000:8 --address 0x14000000"
    " --address 0x100000000000000",
    "--pid 104 --to 1 --mode async --range 0x10008000:8 --shared move",
    "--pid 104 --to 1 --mode async --range 0x10000000:64",
    # Only sync writes.
    "--pid 106 --to 1 --mode async --range 0x10000000:64",
    "--pid 106 --to 1 --mode sync --range 0x10000000:64 --range 0x11000000:8"
    " --range 0x12000000:8",
    *(f"--pid {pid} --to 1 --mode async --range 0x10000000:8"
      for pid in (107, 108, 109)),
    "--pid 110 --to 1 --mode sync --address 0x10000000 --time-budget 100ms",
]
REFUSED = [
    "migrate --pid 9 --all --to 1 --mode sync",
    "migrate --pid 100 --all --to 9 --mode sync",
    "migrate --pid 100 --start-time 1 --all --to 1 --mode sync",
    "migrate --pid 107 --all --to 1 --mode sync",
    "migrate --pid 109 --all --to 1 --mode sync",
    "migrate --pid 111 --all --to 1 --mode sync",
    "migrate --cgroup /nowhere --all --to 1 --mode sync",
    "cancel nothing",
]

NEVER_FAILS = ("is why pages are not attempted; those are not failures",
               METRICS, ("PROCESS_EXITED", "PERMISSION_LOST", "CANCELLED",
                         "TIME_BUDGET", "DRAINING", "ABORTED"))
FINAL = ("asking again would get the same answer, so nobody does",
         ("retried", "recovered"),
         ("NOT_PRESENT", "SWAPPED_OUT", "ZERO_PAGE", "NOT_MAPPED",
          "NOT_MOVABLE", "SHARED", "DIRTY", "CPUSET", "UNSUPPORTED",
          "IO_ERROR", "INVALID"))
KERNELS = ("the model knows whether there is room; only the kernel backend, "
           "which has to reckon with other users of a node, holds pages back "
           "until there may be more", ("retried", "recovered"), ("NO_MEMORY",))
# {(metric, reason): why that cannot be}. All others can be, and are.
IMPOSSIBLE = {(metric, reason): cause
              for cause, metrics, reasons in (NEVER_FAILS, FINAL, KERNELS)
              for metric in metrics for reason in reasons}


def folio_conflict():
    """Parts of a huge page are asked to different places. The whole goes where
    the first batch that names a part says; the part in the batch after that
    has to wait for it, and the last is asked elsewhere."""
    request = messages.MigratePagesRequest()
    request.process.pid = 102
    request.options.mode = messages.MIGRATE_MODE_ASYNC
    for node, fallback, address in ((1, (), 0x40000000), (1, (2,), 0x40200000),
                                    (1, (), 0x40201000), (2, (), 0x40202000)):
        request.batches.add(destination_node=node, fallback_nodes=fallback,
                            addresses=[address])
    return request


def cause_everything(daemon, client):
    """`client`: of the daemon, a wire_daemon.Daemon."""
    for arguments in MIGRATIONS:
        daemon.cli("migrate", *arguments.split())
    for arguments in REFUSED:
        daemon.cli(*arguments.split())
    for command in ("locate --pid 100", "topology", "capabilities", "list"):
        daemon.cli(*command.split())
    wire_daemon.read_migration(client.migrate_pages(folio_conflict()))
