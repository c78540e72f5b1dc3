#!/usr/bin/python3
"""The rules of the contract, seen by a Python client of a running pageferryd.

  PAGEFERRY_ENDPOINT=unix:///run/pageferry/pageferry.sock wire_test.py

The caller has to have the role `migrator`. For the target see
wire_daemon.Target; with the model backend it has to be given. On a machine
where the daemon is not ready, tests that move pages are skipped but for the
refusal; on one with a single memory node, those that need a second one.
"""

import sys
import unittest

import grpc

sys.dont_write_bytecode = True

import wire_daemon as wire  # noqa: E402
from wire_case import NO_NODE, NO_PID, ReadyCase, WireCase  # noqa: E402
from wire_daemon import migration_pb2 as api  # noqa: E402


class NodeTest(WireCase):
    def test_topology_has_every_node_once_with_all_distances(self):
        nodes = self.daemon.topology()
        ids = [node.node for node in nodes]
        self.assertEqual(ids, sorted(set(ids)))
        self.assertTrue(self.memory_nodes)
        for node in nodes:
            self.assertEqual(
                [distance.to_node for distance in node.distances], ids)
            self.assertEqual(node.HasField("memory_usage"), node.has_memory)
            if node.has_memory:
                self.assertGreaterEqual(node.memory_usage.total_bytes,
                                        node.memory_usage.free_bytes)
            self.assertNotIn(node.node, node.demotion_order)

    def test_capabilities_say_why_not_ready_and_name_the_limits(self):
        self.assertIn(self.capabilities.backend, ("kernel", "model"))
        self.assertEqual(bool(self.capabilities.not_ready_reason),
                         not self.capabilities.ready)
        self.assertTrue(self.capabilities.version)
        limits = self.capabilities.limits
        self.assertEqual(limits.request_bytes, 4 << 20)
        self.assertEqual(limits.pages_per_request, 16_777_216)
        self.assertEqual(limits.ranges_per_request, 65_536)
        self.assertEqual(limits.batches_per_request, 65_536)
        self.assertEqual(limits.fallback_nodes, 8)
        self.assertEqual(limits.request_id_characters, 64)
        self.assertEqual(limits.max_passes, 100)
        for privilege in self.capabilities.privileges:
            self.assertTrue(privilege.name)
            self.assertTrue(privilege.present or privilege.cost_of_lack)

    def test_health_agrees_with_capabilities(self):
        self.assertEqual(self.daemon.health("liveness"), 1)
        self.assertEqual(self.daemon.health("readiness") == 1,
                         self.capabilities.ready)


class LocateTest(WireCase):
    def test_listed_pages_come_exactly_once(self):
        address, count = self.target.address, self.target.page_count
        locations, pids = self.locate(
            ranges=[api.PageRange(start_address=address, page_count=count),
                    api.PageRange(start_address=address + 123, page_count=2)],
            addresses=[address + 5 * wire.PAGE_BYTES + 77, 0])
        pages = wire.pages_of(locations)
        self.assertEqual(sorted(pages), sorted(set(self.target.pages) | {0}))
        self.assertEqual(pids, {self.target.pid})
        for location in locations:
            self.assertNotEqual(location.HasField("node"),
                                bool(location.unlocated_reason), location)
            if location.HasField("node"):
                self.assertTrue(location.resident)
                self.assertIn(location.node, self.memory_nodes)
        unmapped = [location for location in locations
                    if location.start_address == 0]
        self.assertEqual(unmapped[0].unlocated_reason,
                         api.PAGE_REASON_NOT_MAPPED)

    def test_without_a_list_all_resident_pages_come(self):
        locations, _ = self.locate()
        pages = wire.pages_of(locations)
        self.assertEqual(len(pages), len(set(pages)))
        self.assertLessEqual(set(self.target.pages), set(pages))
        self.assertTrue(all(location.resident for location in locations))

    def test_target_is_required_and_a_list_asks_for_a_process(self):
        refusal = self.assert_refused(
            lambda: self.daemon.locate_pages(api.LocatePagesRequest()),
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        self.assertEqual(refusal.fields[0], "target")
        refusal = self.assert_refused(
            lambda: self.daemon.locate_pages(api.LocatePagesRequest(
                target=api.Target(cgroup="/"), addresses=[0])),
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        self.assertEqual(refusal.fields[0], "target")

    def test_unknown_process_is_not_found(self):
        self.assert_refused(
            lambda: self.daemon.locate_pages(api.LocatePagesRequest(
                target=api.Target(process=api.ProcessRef(pid=NO_PID)))),
            grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND")


class NotReadyTest(WireCase):
    def test_migration_is_unavailable(self):
        if self.capabilities.ready:
            self.skipTest("the daemon is ready")
        self.assert_refused(lambda: self.daemon.migrate_pages(self.request()),
                            grpc.StatusCode.UNAVAILABLE, "NOT_READY")


class ManageTest(WireCase):
    def test_unknown_migration_cannot_be_cancelled(self):
        self.assert_refused(lambda: self.daemon.cancel_migration("no such id"),
                            grpc.StatusCode.NOT_FOUND, "MIGRATION_NOT_FOUND")

    def test_page_size_has_a_limit(self):
        refusal = self.assert_refused(
            lambda: self.daemon.list_migrations(page_size=1001),
            grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST")
        self.assertEqual(refusal.fields, ["page_size"])


class MigrateTest(ReadyCase):
    def test_every_page_once_and_where_it_says(self):
        node = self.other_node()
        migration = self.migrate(
            self.request(self.batch(destination_node=node)))
        wire.check_migration(self, migration, self.target.pages)
        self.assertEqual(migration.pids, {self.target.pid})
        self.assertEqual(migration.summary.moved_pages, self.target.page_count)
        self.assertEqual(migration.summary.stop_reason,
                         api.STOP_REASON_COMPLETED)
        seen = self.node_of_pages()
        for result in migration.results:
            for page in wire.pages_of([result]):
                self.assertEqual(seen[page], result.node)
        again = self.migrate(self.request(self.batch(destination_node=node)))
        wire.check_migration(self, again, self.target.pages)
        self.assertEqual(again.summary.already_placed_pages,
                         self.target.page_count)

    def test_duplicates_collapse_and_holes_are_results(self):
        address = self.target.address
        migration = self.migrate(self.request(self.batch(
            ranges=[api.PageRange(start_address=address, page_count=4),
                    api.PageRange(start_address=address + 1, page_count=6)],
            addresses=[address + 99, address + wire.PAGE_BYTES, 0, 17])))
        wire.check_migration(self, migration,
                             wire.pages_of([(address, 6), (0, 1)]))
        holes = [result for result in migration.results
                 if result.start_address == 0]
        self.assertEqual(holes[0].outcome, api.PAGE_OUTCOME_FAILED)
        self.assertEqual(holes[0].reason, api.PAGE_REASON_NOT_MAPPED)
        self.assertEqual(migration.summary.failed_pages, 1)

    def test_every_mode_moves(self):
        node = self.other_node()
        for capability in self.capabilities.modes:
            with self.subTest(mode=api.MigrateMode.Name(capability.mode)):
                self.migrate(self.request())
                migration = self.migrate(self.request(
                    self.batch(destination_node=node), mode=capability.mode))
                wire.check_migration(self, migration, self.target.pages)
                self.assertEqual(migration.summary.moved_pages,
                                 self.target.page_count)

    def test_dry_run_moves_nothing(self):
        node = self.other_node()
        before = self.node_of_pages()
        migration = self.migrate(self.request(
            self.batch(destination_node=node), validate_only=True))
        wire.check_migration(self, migration, self.target.pages)
        self.assertEqual(migration.summary.would_move_pages,
                         self.target.page_count)
        self.assertEqual(migration.summary.moved_bytes, 0)
        self.assertEqual(self.node_of_pages(), before)

    def test_detail_chooses_results_but_not_the_summary(self):
        batch = self.batch(addresses=[self.target.address, 0])
        failures = self.migrate(self.request(
            batch, result_detail=api.RESULT_DETAIL_FAILURES))
        self.assertEqual(wire.pages_of(failures.results), [0])
        none = self.migrate(self.request(
            batch, result_detail=api.RESULT_DETAIL_SUMMARY))
        self.assertEqual(none.results, [])
        self.assertEqual(none.summary.requested_pages, 2)
        self.assertEqual(none.summary.failed_pages, 1)

    def test_start_time_guards_the_pid(self):
        request = self.request()
        ticks = self.migrate(request).started.processes[0].start_time_ticks
        if self.capabilities.backend == "kernel":
            self.assertEqual(ticks, self.target.start_time_ticks)
        request.process.start_time_ticks = ticks
        migration = self.migrate(request)
        self.assertEqual(migration.started.processes[0].start_time_ticks, ticks)
        request.process.start_time_ticks = ticks + 1
        self.assert_refused(lambda: self.daemon.migrate_pages(request),
                            grpc.StatusCode.NOT_FOUND, "PROCESS_REPLACED")

    def test_time_budget_ends_with_a_summary(self):
        request = self.request(
            self.batch(destination_node=self.other_node()),
            max_bytes_per_second=wire.PAGE_BYTES)
        request.options.time_budget.FromMilliseconds(300)
        migration = self.migrate(request)
        wire.check_migration(self, migration, self.target.pages)
        self.assertEqual(migration.summary.stop_reason,
                         api.STOP_REASON_TIME_BUDGET)
        self.assertGreater(migration.summary.not_attempted_pages, 0)


class ManageRunningTest(ReadyCase):
    def test_ended_migration_is_listed_newest_first(self):
        first = self.migrate(self.request()).started.migration_id
        second = self.migrate(self.request()).started.migration_id
        listed = self.all_migrations(page_size=2)
        ids = [migration.migration_id for migration in listed]
        self.assertEqual(len(ids), len(set(ids)))
        self.assertLess(ids.index(second), ids.index(first))
        ended = listed[ids.index(first)]
        self.assertEqual(ended.state, api.MIGRATION_STATE_ENDED)
        self.assertEqual(ended.target.process.pid, self.target.pid)
        self.assertEqual(ended.progress.requested_pages, self.target.page_count)
        cancelled = self.daemon.cancel_migration(first)
        self.assertEqual(cancelled.state, api.MIGRATION_STATE_ENDED)

    def test_cancelled_migration_still_has_its_summary(self):
        call, first = self.start_slow_migration()
        self.daemon.cancel_migration(first.started.migration_id)
        rest = wire.read_migration(call)
        whole = rest._replace(started=first.started,
                              kinds=["started"] + rest.kinds)
        wire.check_migration(self, whole, self.target.pages)
        self.assertEqual(whole.summary.stop_reason, api.STOP_REASON_CANCELLED)
        self.assertGreater(whole.summary.not_attempted_pages, 0)

    def test_client_that_leaves_ends_its_migration(self):
        call, first = self.start_slow_migration()
        call.cancel()
        ended = self.wait_until_ended(first.started.migration_id)
        self.assertEqual(ended.progress.stop_reason, api.STOP_REASON_CANCELLED)

    def test_request_id_stops_doubles_while_it_runs(self):
        call, first = self.start_slow_migration(request_id="wire-double")
        migration_id = first.started.migration_id
        refusal = self.assert_refused(
            lambda: self.daemon.migrate_pages(
                self.request(request_id="wire-double")),
            grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_RUNNING")
        self.assertEqual(refusal.detail.migration_id, migration_id)
        self.daemon.cancel_migration(migration_id)
        wire.read_migration(call)
        self.wait_until_ended(migration_id)
        self.migrate(self.request(request_id="wire-double"))


class BadRequestTest(WireCase):
    """Every violation is named, by the path of its field."""

    def assert_violations(self, request, fields):
        refusal = self.refusal_of(lambda: self.daemon.migrate_pages(request))
        if not self.capabilities.ready and refusal.reason == "NOT_READY":
            self.skipTest("refused before it was looked at: not ready")
        self.assertEqual((refusal.code, refusal.reason),
                         (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_REQUEST"),
                         refusal)
        self.assertEqual(refusal.fields, fields, refusal)
        for violation in refusal.detail.violations:
            self.assertTrue(violation.description)
        return refusal

    def test_process(self):
        request = self.request()
        request.process.pid = 0
        self.assert_violations(request, ["process.pid"])
        request.ClearField("process")
        self.assert_violations(request, ["process"])

    def test_batches(self):
        request = self.request()
        del request.batches[:]
        self.assert_violations(request, ["batches"])
        self.assert_violations(
            self.request(self.batch(), self.batch(ranges=[])), ["batches[1]"])

    def test_destination(self):
        absent = self.request(self.batch(destination_node=NO_NODE))
        refusal = self.assert_violations(absent,
                                         ["batches[0].destination_node"])
        self.assertIn(str(NO_NODE), refusal.detail.violations[0].description)
        absent.batches[0].ClearField("destination_node")
        self.assert_violations(absent, ["batches[0].destination_node"])

    def test_fallback_nodes(self):
        node = self.memory_nodes[0]
        self.assert_violations(
            self.request(self.batch(fallback_nodes=[NO_NODE, node])),
            ["batches[0].fallback_nodes[0]", "batches[0].fallback_nodes[1]"])
        self.assert_violations(
            self.request(self.batch(fallback_nodes=range(9))),
            ["batches[0].fallback_nodes"])

    def test_ranges(self):
        self.assert_violations(
            self.request(self.batch(ranges=[
                api.PageRange(start_address=self.target.address, page_count=1),
                api.PageRange(start_address=self.target.address),
                api.PageRange(start_address=(1 << 64) - 4096, page_count=2)])),
            ["batches[0].ranges[1].page_count",
             "batches[0].ranges[2].page_count"])

    def test_too_many_pages(self):
        self.assert_violations(
            self.request(self.batch(ranges=[
                api.PageRange(start_address=0, page_count=16_777_217)])),
            ["batches"])

    def test_too_many_ranges(self):
        self.assert_violations(
            self.request(self.batch(ranges=[
                api.PageRange(start_address=0, page_count=1)] * 65_537)),
            ["batches"])

    def test_options(self):
        self.assert_violations(
            self.request(mode=api.MIGRATE_MODE_UNSPECIFIED), ["options.mode"])
        request = self.request()
        request.options.retry.max_passes = 101
        self.assert_violations(request, ["options.retry.max_passes"])
        request = self.request()
        request.options.time_budget.FromMilliseconds(0)
        self.assert_violations(request, ["options.time_budget"])
        request.options.time_budget.FromMilliseconds(-5)
        self.assert_violations(request, ["options.time_budget"])

    def test_request_id(self):
        for request_id in ("x" * 65, "two words", "caf\u00e9"):
            self.assert_violations(self.request(request_id=request_id),
                                   ["request_id"])

    def test_all_violations_come_together_in_the_order_of_the_request(self):
        request = self.request(
            self.batch(destination_node=NO_NODE),
            self.batch(ranges=[api.PageRange(start_address=4096)]),
            mode=api.MIGRATE_MODE_UNSPECIFIED, request_id="two words")
        self.assert_violations(
            request, ["batches[0].destination_node",
                      "batches[1].ranges[0].page_count", "options.mode",
                      "request_id"])

    def test_conflicting_destinations_name_the_address(self):
        if len(self.memory_nodes) < 2:
            self.skipTest("one memory node only")
        refusal = self.assert_violations(
            self.request(*(self.batch(destination_node=node,
                                      addresses=[self.target.address])
                           for node in self.memory_nodes[:2])),
            ["batches[1]"])
        self.assertIn(f"{self.target.address:x}",
                      refusal.detail.violations[0].description)

    def test_oversized_message_is_refused(self):
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.daemon.migrate_pages(
                self.request(self.batch(addresses=[0] * 600_000))))
        self.assertEqual(caught.exception.code(),
                         grpc.StatusCode.RESOURCE_EXHAUSTED)


class BadTargetTest(ReadyCase):
    def test_unknown_process_is_not_found(self):
        request = self.request()
        request.process.pid = NO_PID
        self.assert_refused(lambda: self.daemon.migrate_pages(request),
                            grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND")

    def test_the_first_process_is_not_moved(self):
        request = self.request()
        request.process.pid = 1
        refused = (grpc.StatusCode.FAILED_PRECONDITION, "TARGET_NOT_MOVABLE")
        if self.capabilities.backend == "model":
            # A modelled machine has the processes of its scenario, no init.
            refused = (grpc.StatusCode.NOT_FOUND, "PROCESS_NOT_FOUND")
        self.assert_refused(lambda: self.daemon.migrate_pages(request),
                            *refused)


if __name__ == "__main__":
    unittest.main(verbosity=2)
