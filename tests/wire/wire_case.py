"""What the tests of the wire have in common: a daemon, a target, words."""

import os
import time
import unittest

import grpc

import wire_daemon as wire
from wire_daemon import migration_pb2 as api

ENDPOINT = os.environ.get("PAGEFERRY_ENDPOINT", "")

# No pid is that high: PID_MAX_LIMIT is 2^22.
NO_PID = 1 << 22
NO_NODE = 4095


@unittest.skipUnless(ENDPOINT, "PAGEFERRY_ENDPOINT names no daemon")
class WireCase(unittest.TestCase):
    """A daemon, a target process, and words for requests."""

    @classmethod
    def setUpClass(cls):
        cls.daemon = wire.Daemon(ENDPOINT)
        cls.addClassCleanup(cls.daemon.close)
        cls.target = wire.Target()
        cls.addClassCleanup(cls.target.close)
        cls.capabilities = cls.daemon.capabilities()
        cls.memory_nodes = [node.node for node in cls.daemon.topology()
                            if node.has_memory]

    def process(self, **fields):
        return api.ProcessRef(pid=self.target.pid, **fields)

    def batch(self, **fields):
        """All pages of the target to the first node, or as `fields` say."""
        fields.setdefault("destination_node", self.memory_nodes[0])
        if "ranges" not in fields and "addresses" not in fields:
            fields["ranges"] = [api.PageRange(
                start_address=self.target.address,
                page_count=self.target.page_count)]
        return api.PageBatch(**fields)

    def request(self, *batches, request_id="", **options):
        options.setdefault("mode", api.MIGRATE_MODE_SYNC)
        return api.MigratePagesRequest(
            process=self.process(), batches=batches or [self.batch()],
            options=api.MigrationOptions(**options), request_id=request_id)

    def locate(self, **lists):
        return self.daemon.locate_pages(api.LocatePagesRequest(
            target=api.Target(process=self.process()), **lists))

    def node_of_pages(self):
        """Where each page of the target is, by an independent call."""
        locations, _ = self.locate(ranges=self.batch().ranges)
        return {page: location.node for location in locations
                for page in wire.pages_of([location])
                if location.HasField("node")}

    def refusal_of(self, call):
        """How `call`, a function, was refused, by the rules for all."""
        with self.assertRaises(grpc.RpcError) as caught:
            result = call()
            if isinstance(result, grpc.Call):
                for response in result:
                    self.fail(f"not refused but: {response}")
        refusal = wire.Refusal(caught.exception)
        self.assertEqual(len(refusal.details), 1, refusal)
        self.assertEqual(refusal.envelope.code, refusal.code.value[0])
        self.assertEqual(refusal.envelope.message, refusal.message)
        self.assertTrue(refusal.message)
        return refusal

    def assert_refused(self, call, code, reason):
        refusal = self.refusal_of(call)
        self.assertEqual((refusal.code, refusal.reason), (code, reason),
                         refusal)
        return refusal


class ReadyCase(WireCase):
    """For tests that move pages."""

    def setUp(self):
        if not self.capabilities.ready:
            self.skipTest("not ready: " + self.capabilities.not_ready_reason)

    def migrate(self, request):
        return wire.read_migration(self.daemon.migrate_pages(request))

    def other_node(self):
        """A memory node to which no page of the target is bound yet."""
        if len(self.memory_nodes) < 2:
            self.skipTest("one memory node only")
        self.migrate(self.request())
        return self.memory_nodes[1]

    def state_of(self, migration_id):
        for migration in self.all_migrations():
            if migration.migration_id == migration_id:
                return migration
        self.fail(f"{migration_id} is not listed")

    def all_migrations(self, page_size=0):
        token, migrations = "", []
        while True:
            response = self.daemon.list_migrations(page_size=page_size,
                                                   page_token=token)
            migrations.extend(response.migrations)
            token = response.next_page_token
            if not token:
                return migrations

    def wait_until_ended(self, migration_id):
        give_up = time.monotonic() + wire.CALL_SECONDS
        while time.monotonic() < give_up:
            migration = self.state_of(migration_id)
            if migration.state == api.MIGRATION_STATE_ENDED:
                return migration
            time.sleep(0.05)
        self.fail(f"{migration_id} does not end")

    def start_slow_migration(self, request_id=""):
        """A call that would take minutes, and its migration's id."""
        call = self.daemon.migrate_pages(self.request(
            self.batch(destination_node=self.other_node()),
            max_bytes_per_second=wire.PAGE_BYTES, request_id=request_id))
        self.addCleanup(call.cancel)
        first = next(call).event
        self.assertEqual(first.WhichOneof("kind"), "started")
        return call, first
