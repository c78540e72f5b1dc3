"""A running pageferryd as a foreign client sees it: stubs, errors, rules.

The stubs are generated from proto/ when this is imported, so that nothing but
the contract stands between the tests and the daemon.
"""

import atexit
import collections
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import grpc
from google.protobuf import wrappers_pb2

PAGE_BYTES = 4096
# For every call: a limit for the test, no claim about the daemon. Guests of an
# emulator are slow.
CALL_SECONDS = 120

_PROTO_FOLDER = pathlib.Path(__file__).resolve().parents[2] / "proto"


def _generate_stubs():
    # protoc itself and not grpc_tools, whose copy in Debian 12 is older than
    # proto3's optional fields.
    folder = tempfile.mkdtemp(prefix="pageferry-wire-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    plugin = shutil.which("grpc_python_plugin")
    files = sorted((_PROTO_FOLDER / "pageferry" / "v1").glob("*.proto"))
    subprocess.run(
        ["protoc", f"--proto_path={_PROTO_FOLDER}",
         f"--plugin=protoc-gen-grpc_python={plugin}",
         f"--python_out={folder}", f"--grpc_python_out={folder}", *files],
        check=True)
    sys.path.insert(0, folder)


_generate_stubs()

from pageferry.v1 import error_pb2  # noqa: E402
from pageferry.v1 import migration_pb2  # noqa: E402
from pageferry.v1 import migration_pb2_grpc  # noqa: E402
from pageferry.v1 import node_pb2  # noqa: E402
from pageferry.v1 import node_pb2_grpc  # noqa: E402


class Daemon:
    """The services of one daemon, each call with a deadline. `options`: more of
    the channel's."""

    def __init__(self, endpoint, options=()):
        self.channel = grpc.insecure_channel(
            endpoint, options=[("grpc.max_send_message_length", -1), *options])
        self._migrations = migration_pb2_grpc.MigrationServiceStub(self.channel)
        self._nodes = node_pb2_grpc.NodeServiceStub(self.channel)

    def close(self):
        self.channel.close()

    def migrate_pages(self, request, seconds=CALL_SECONDS):
        """The call; iterating over it gives MigratePagesResponse."""
        return self._migrations.MigratePages(request, timeout=seconds)

    def locate_pages(self, request):
        """All locations, and the pids that they are said to be of."""
        locations, pids = [], set()
        for response in self._migrations.LocatePages(
                request, timeout=CALL_SECONDS):
            pids.add(response.pid)
            locations.extend(response.locations)
        return locations, pids

    def list_migrations(self, **fields):
        return self._migrations.ListMigrations(
            migration_pb2.ListMigrationsRequest(**fields), timeout=CALL_SECONDS)

    def cancel_migration(self, migration_id):
        return self._migrations.CancelMigration(
            migration_pb2.CancelMigrationRequest(migration_id=migration_id),
            timeout=CALL_SECONDS).migration

    def topology(self):
        return self._nodes.GetTopology(
            node_pb2.GetTopologyRequest(), timeout=CALL_SECONDS).nodes

    def capabilities(self):
        return self._nodes.GetCapabilities(
            node_pb2.GetCapabilitiesRequest(), timeout=CALL_SECONDS)

    def health(self, service):
        """The number of grpc.health.v1's ServingStatus; 1 is SERVING."""
        check = self.channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=wrappers_pb2.StringValue.SerializeToString,
            response_deserializer=wrappers_pb2.Int32Value.FromString)
        return check(wrappers_pb2.StringValue(value=service),
                     timeout=CALL_SECONDS).value


class Refusal:
    """A failed call: its code, its message and its ErrorDetail."""

    def __init__(self, error):
        self.code = error.code()
        self.message = error.details()
        trailers = dict(error.trailing_metadata() or ())
        self.envelope = error_pb2.Status.FromString(
            trailers.get("grpc-status-details-bin", b""))
        self.details = []
        for packed in self.envelope.details:
            detail = error_pb2.ErrorDetail()
            if packed.Unpack(detail):
                self.details.append(detail)

    @property
    def detail(self):
        return self.details[0] if self.details else error_pb2.ErrorDetail()

    @property
    def reason(self):
        name = error_pb2.ErrorReason.Name(self.detail.reason)
        return name[len("ERROR_REASON_"):]

    @property
    def fields(self):
        return [violation.field for violation in self.detail.violations]

    def __str__(self):
        return f"{self.code}: {self.message}\n{self.detail}"


# What a migration streamed, sorted: `started` and `summary` are messages,
# `results` a list of PageResult, `kinds` the names of all events in order.
Migration = collections.namedtuple(
    "Migration", ["started", "results", "summary", "kinds", "pids"])


def read_migration(call):
    started, summary, results, kinds, pids = None, None, [], [], set()
    for response in call:
        event = response.event
        kind = event.WhichOneof("kind")
        kinds.append(kind)
        if kind == "started":
            started = event.started
        elif kind == "results":
            results.extend(event.results.results)
            pids.add(event.results.pid)
        elif kind == "summary":
            summary = event.summary
    return Migration(started, results, summary, kinds, pids)


def pages_of(runs):
    """Page numbers of results, locations or (address, pages), in order."""
    pages = []
    for run in runs:
        if isinstance(run, tuple):
            start, count = run
        else:
            start, count = run.start_address, run.page_count
        first = start // PAGE_BYTES
        pages.extend(range(first, first + count))
    return pages


def check_migration(test, migration, pages):
    """The rules that hold for every migration of `pages` with detail ALL."""
    kinds, summary = migration.kinds, migration.summary
    test.assertEqual(kinds[0], "started")
    test.assertEqual(kinds[-1], "summary")
    test.assertEqual(kinds.count("started"), 1)
    test.assertEqual(kinds.count("summary"), 1)
    test.assertEqual(migration.started.page_count, len(pages))
    reported = pages_of(migration.results)
    test.assertEqual(len(reported), len(set(reported)), "a page came twice")
    test.assertEqual(set(reported), set(pages))
    check_sums(test, migration)


def check_sums(test, migration):
    """Results, where there are all of them, and summary agree."""
    summary = migration.summary
    test.assertEqual(
        summary.requested_pages,
        summary.moved_pages + summary.already_placed_pages
        + summary.failed_pages + summary.not_attempted_pages
        + summary.would_move_pages)
    outcomes, reasons, nodes = (collections.Counter() for _ in range(3))
    for result in migration.results:
        test.assertGreaterEqual(result.page_count, 1)
        outcomes[result.outcome] += result.page_count
        unsettled = result.outcome in (migration_pb2.PAGE_OUTCOME_FAILED,
                                       migration_pb2.PAGE_OUTCOME_NOT_ATTEMPTED)
        test.assertEqual(bool(result.reason), unsettled, result)
        if unsettled:
            reasons[result.reason] += result.page_count
        if result.outcome == migration_pb2.PAGE_OUTCOME_MOVED:
            test.assertTrue(result.HasField("node"), result)
            nodes[result.node] += result.page_count
    test.assertEqual(
        {name: outcomes[getattr(migration_pb2, f"PAGE_OUTCOME_{name}")]
         for name in ("MOVED", "ALREADY_PLACED", "FAILED", "NOT_ATTEMPTED",
                      "WOULD_MOVE")},
        {"MOVED": summary.moved_pages,
         "ALREADY_PLACED": summary.already_placed_pages,
         "FAILED": summary.failed_pages,
         "NOT_ATTEMPTED": summary.not_attempted_pages,
         "WOULD_MOVE": summary.would_move_pages})
    test.assertEqual(reasons, collections.Counter(
        {count.reason: count.page_count for count in summary.failures}))
    test.assertEqual(nodes, collections.Counter(
        {node.node: node.page_count for node in summary.moved_to}))
    test.assertEqual(
        summary.moved_bytes,
        (summary.moved_pages + summary.companion_pages) * PAGE_BYTES)


class Target:
    """The process whose pages are moved: given, or a child of ours.

    Given by PAGEFERRY_TARGET_PID, PAGEFERRY_TARGET_ADDRESS (of its first page)
    and PAGEFERRY_TARGET_PAGES: resident, private, nobody else moves them. A
    child sleeps on memory that it has touched.
    """

    CHILD = """
import ctypes, mmap, sys
pages = int(sys.argv[1])
memory = mmap.mmap(-1, pages * 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
for page in range(pages):
    memory[page * 4096] = 1 + page % 255
print(ctypes.addressof(ctypes.c_char.from_buffer(memory)), flush=True)
sys.stdin.read()
"""
    CHILD_PAGES = 256

    def __init__(self):
        self._child = None
        if "PAGEFERRY_TARGET_PID" in os.environ:
            self.pid = int(os.environ["PAGEFERRY_TARGET_PID"])
            self.address = int(os.environ["PAGEFERRY_TARGET_ADDRESS"], 0)
            self.page_count = int(os.environ["PAGEFERRY_TARGET_PAGES"])
            return
        self._child = subprocess.Popen(
            [sys.executable, "-c", self.CHILD, str(self.CHILD_PAGES)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.address = int(self._child.stdout.readline())
        self.pid = self._child.pid
        self.page_count = self.CHILD_PAGES

    def close(self):
        if self._child is not None:
            self._child.communicate()

    @property
    def start_time_ticks(self):
        """Field 22 of /proc/PID/stat; the name, field 2, may have spaces."""
        stat = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        return int(stat.rpartition(")")[2].split()[19])

    @property
    def pages(self):
        return pages_of([(self.address, self.page_count)])
