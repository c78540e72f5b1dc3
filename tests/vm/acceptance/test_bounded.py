"""Requests of a million pages and clients that stop reading: memory stays
bounded and others are served."""

import pathlib
import sys
import unittest

import grpc

from support import PAGE, MachineTest, wait_for

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "wire"))
import wire_daemon  # noqa: E402, pylint: disable=wrong-import-position
from wire_daemon import migration_pb2 as messages  # noqa: E402, pylint: disable=wrong-import-position

# What one migration may add to the daemon: its request (4 MiB encoded), the
# same as a sorted list, and its queue of results.
BOUND_A_CLIENT = 96 << 20


class SlowReaders(MachineTest):

    def test_memory_stays_bounded_and_others_are_served(self):
        daemon = self.own_daemon()
        target = self.target("untouched:1200000", "anon:100:0")
        before = daemon.peak_bytes()
        channel = grpc.insecure_channel(
            daemon.endpoint,
            options=[("grpc.max_receive_message_length", -1)])
        self.addCleanup(channel.close)
        service = wire_daemon.migration_pb2_grpc.MigrationServiceStub(channel)
        start = target.region(0)["start"]
        stalled = []
        for _ in range(4):
            request = messages.MigratePagesRequest()
            request.process.pid = target.pid
            request.options.mode = messages.MIGRATE_MODE_ASYNC
            batch = request.batches.add(destination_node=1)
            # Every second page, so that no two results are one.
            batch.addresses.extend(start + 2 * i * PAGE for i in range(500000))
            stream = service.MigratePages(request)
            self.addCleanup(stream.cancel)
            self.assertTrue(next(stream).event.HasField("started"))
            stalled.append(stream)  # and never reads again
        million = daemon.cli("migrate", "--pid", target.pid, "--to", 1,
                             "--mode", "async", "--range", f"{start}:1000000",
                             "--detail", "summary")
        self.assertEqual(million.returncode, 0, million.stderr)
        self.assertIn('"requested_pages":"1000000"',
                      million.stdout.replace(" ", ""))
        other = self.migrate(daemon, target, "--to", 1, "--mode", "sync",
                             "--range", target.span(1))
        self.assertEqual(other.by_outcome(), {"MOVED": 100})
        grown = daemon.peak_bytes() - before
        print(f"peak memory grew by {grown / (1 << 20):.1f} MiB over "
              f"{before / (1 << 20):.1f} MiB with 4 clients that stopped "
              "reading, 500,000 results each, and one request of 1,000,000 "
              "pages", flush=True)
        self.assertLess(grown, 5 * BOUND_A_CLIENT)
        for stream in stalled:
            stream.cancel()
        wait_for(lambda: "RUNNING" not in daemon.cli("list").stdout,
                 "the stalled migrations' end")


if __name__ == "__main__":
    unittest.main()
