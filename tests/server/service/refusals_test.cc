// What is refused, and how: the rows of the contract's error table.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using core::RefusalReason;
using grpc::StatusCode;
using testing::HasSubstr;

class RefusalsTest : public ServiceTest {
 protected:
  RefusalsTest() { backend_.AddPages(kPid, kAddress, 8, {NodeId(0)}); }

  // Checks that MigratePages is refused before it started.
  v1::ErrorDetail ExpectRefused(const v1::MigratePagesRequest& request,
                                StatusCode code, const std::string& part) {
    const MigrationRecord record = Migrate(request);
    EXPECT_TRUE(record.events.empty());
    EXPECT_EQ(record.status.error_code(), code)
        << record.status.error_message();
    EXPECT_THAT(record.status.error_message(), HasSubstr(part));
    return DetailOf(record.status);
  }

  void SetOpenStatus(const core::Refusal& refusal) {
    FakeProcess process;
    process.open_status = core::ToStatus(refusal);
    backend_.AddProcess(kPid, process);
  }
};

TEST_F(RefusalsTest, BadFieldsWithTheirValues) {
  Start();
  v1::MigratePagesRequest request = Request(8, 7);
  request.mutable_process()->set_pid(-3);
  const v1::ErrorDetail detail = ExpectRefused(
      request, StatusCode::INVALID_ARGUMENT, "process.pid: is -3");
  EXPECT_EQ(detail.reason(), v1::ERROR_REASON_INVALID_REQUEST);
  ASSERT_EQ(detail.violations_size(), 2);
  EXPECT_EQ(detail.violations(1).field(), "batches[0].destination_node");
  EXPECT_THAT(detail.violations(1).description(), HasSubstr("is 7"));
  EXPECT_FALSE(detail.has_retry_delay());
  EXPECT_EQ(telemetry_.rejected(RefusalReason::kInvalidRequest), 1);
  EXPECT_EQ(telemetry_.started(), 0);
}

TEST_F(RefusalsTest, AnEmptyRequest) {
  Start();
  const v1::ErrorDetail detail = ExpectRefused(
      v1::MigratePagesRequest(), StatusCode::INVALID_ARGUMENT, "process");
  EXPECT_EQ(detail.violations_size(), 3);
}

TEST_F(RefusalsTest, ConflictingDestinations) {
  Start();
  v1::MigratePagesRequest request = Request(8, 1);
  *request.add_batches() = request.batches(0);
  request.mutable_batches(1)->set_destination_node(2);
  ExpectRefused(request, StatusCode::INVALID_ARGUMENT, "0x7f0000000000");
}

TEST_F(RefusalsTest, NoSuchProcess) {
  Start();
  v1::MigratePagesRequest request = Request(8);
  request.mutable_process()->set_pid(4711);
  EXPECT_EQ(
      ExpectRefused(request, StatusCode::NOT_FOUND, "no process").reason(),
      v1::ERROR_REASON_PROCESS_NOT_FOUND);
}

TEST_F(RefusalsTest, AnotherStartTime) {
  Start();
  v1::MigratePagesRequest request = Request(8);
  request.mutable_process()->set_start_time_ticks(99);
  EXPECT_EQ(ExpectRefused(request, StatusCode::NOT_FOUND, "reused").reason(),
            v1::ERROR_REASON_PROCESS_REPLACED);
}

TEST_F(RefusalsTest, TargetsThatAreNotMovable) {
  core::Refusal refusal;
  refusal.reason = RefusalReason::kTargetNotMovable;
  refusal.message = "pid 2 is a kernel thread";
  SetOpenStatus(refusal);
  Start();
  EXPECT_EQ(ExpectRefused(Request(8), StatusCode::FAILED_PRECONDITION,
                          "kernel thread")
                .reason(),
            v1::ERROR_REASON_TARGET_NOT_MOVABLE);
}

TEST_F(RefusalsTest, WhatTheKernelRefuses) {
  core::Refusal refusal;
  refusal.reason = RefusalReason::kKernelRefuses;
  refusal.message = "cannot look into pid 1000";
  refusal.missing = "CAP_SYS_PTRACE";
  SetOpenStatus(refusal);
  Start();
  EXPECT_EQ(ExpectRefused(Request(8), StatusCode::PERMISSION_DENIED, "1000")
                .missing(),
            "CAP_SYS_PTRACE");
}

TEST_F(RefusalsTest, NodesThatThePolicyForbids) {
  FakeProcess process;
  process.mover_status = core::Refuse(RefusalReason::kNodeNotAllowed,
                                      "node 1 is outside the cpuset");
  backend_.AddProcess(kPid, process);
  Start();
  EXPECT_EQ(ExpectRefused(Request(8), StatusCode::FAILED_PRECONDITION, "node 1")
                .reason(),
            v1::ERROR_REASON_NODE_NOT_ALLOWED);
  EXPECT_TRUE(registry_->List().empty());
}

TEST_F(RefusalsTest, ModesThatTheBackendLacks) {
  FakeProcess process;
  process.mover_status =
      core::Refuse(RefusalReason::kUnsupported, "no such mode here");
  backend_.AddProcess(kPid, process);
  Start();
  EXPECT_EQ(
      ExpectRefused(Request(8), StatusCode::UNIMPLEMENTED, "mode").reason(),
      v1::ERROR_REASON_UNSUPPORTED);
}

TEST_F(RefusalsTest, DefectsOfTheBackend) {
  FakeProcess process;
  process.open_status = absl::DataLossError("nobody knows");
  backend_.AddProcess(kPid, process);
  Start();
  EXPECT_EQ(
      ExpectRefused(Request(8), StatusCode::INTERNAL, "nobody knows").reason(),
      v1::ERROR_REASON_INTERNAL);
  Stop();
  EXPECT_THAT(log_text_.str(), HasSubstr("\"level\":\"error\""));
}

TEST_F(RefusalsTest, ASecondMigrationWithARequestIdThatRuns) {
  backend_.call_gate().Close();
  Start();
  v1::MigratePagesRequest request = Request(8);
  request.set_request_id("only-once");
  grpc::ClientContext context;
  const auto first = migrations_->MigratePages(&context, request);
  backend_.call_gate().AwaitWaiting(1);
  const v1::ErrorDetail detail =
      ExpectRefused(request, StatusCode::ALREADY_EXISTS, "only-once");
  EXPECT_EQ(detail.reason(), v1::ERROR_REASON_REQUEST_ID_RUNNING);
  EXPECT_EQ(detail.migration_id(), registry_->List().at(0)->id());
  EXPECT_TRUE(detail.has_retry_delay());
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(first.get()).status.ok());
  EXPECT_TRUE(Migrate(request).status.ok());
}

TEST_F(RefusalsTest, ARequestIdOfAnotherCallerIsAnother) {
  backend_.call_gate().Close();
  Start();
  v1::MigratePagesRequest request = Request(8);
  request.set_request_id("x");
  grpc::ClientContext context;
  const auto first = migrations_->MigratePages(&context, request);
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext other_context;
  other_context.AddMetadata("x-test-caller", "somebody else");
  const auto second = migrations_->MigratePages(&other_context, request);
  backend_.call_gate().AwaitWaiting(2);
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(first.get()).status.ok());
  EXPECT_TRUE(ReadAll(second.get()).status.ok());
}

TEST_F(RefusalsTest, TooManyMigrations) {
  registry_options_.max_in_flight = 1;
  registry_options_.max_queued = 1;
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext first_context;
  const auto first = migrations_->MigratePages(&first_context, Request(8));
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext second_context;
  const auto second = migrations_->MigratePages(&second_context, Request(8));
  while (registry_->queued(core::Mode::kAsync) == 0) std::this_thread::yield();
  const v1::ErrorDetail detail =
      ExpectRefused(Request(8), StatusCode::RESOURCE_EXHAUSTED, "limit");
  EXPECT_EQ(detail.reason(), v1::ERROR_REASON_TOO_MANY_MIGRATIONS);
  EXPECT_TRUE(detail.has_retry_delay());
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(first.get()).status.ok());
  EXPECT_TRUE(ReadAll(second.get()).status.ok());
}

TEST_F(RefusalsTest, SyncMigrationsLeaveThreadsToOthers) {
  registry_options_.max_sync_in_flight = 1;
  backend_.call_gate().Close();
  Start();
  v1::MigratePagesRequest sync = Request(8);
  sync.mutable_options()->set_mode(v1::MIGRATE_MODE_SYNC);
  grpc::ClientContext contexts[3];
  const auto first = migrations_->MigratePages(&contexts[0], sync);
  backend_.call_gate().AwaitWaiting(1);
  const auto second = migrations_->MigratePages(&contexts[1], sync);
  while (registry_->queued(core::Mode::kSync) == 0) std::this_thread::yield();
  const auto other = migrations_->MigratePages(&contexts[2], Request(8));
  backend_.call_gate().AwaitWaiting(2);
  EXPECT_EQ(registry_->queued(core::Mode::kSync), 1u);
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(other.get()).status.ok());
  EXPECT_TRUE(ReadAll(first.get()).status.ok());
  EXPECT_TRUE(ReadAll(second.get()).status.ok());
}

TEST_F(RefusalsTest, NotReadyWithTheBackendsReason) {
  backend_.SetNodes({NodeId(0)});
  core::Capabilities capabilities;
  capabilities.not_ready_reason = "one node only; there is nowhere to go";
  backend_.SetCapabilities(capabilities);
  Start();
  EXPECT_EQ(ExpectRefused(Request(8), StatusCode::UNAVAILABLE, "nowhere to go")
                .reason(),
            v1::ERROR_REASON_NOT_READY);
  // What needs no second node works.
  grpc::ClientContext context;
  v1::GetCapabilitiesResponse response;
  ASSERT_TRUE(nodes_->GetCapabilities(&context, {}, &response).ok());
  EXPECT_FALSE(response.ready());
}

TEST_F(RefusalsTest, ShuttingDown) {
  Start();
  service_->BeginDrain();
  EXPECT_EQ(ExpectRefused(Request(8), StatusCode::UNAVAILABLE, "shutting down")
                .reason(),
            v1::ERROR_REASON_SHUTTING_DOWN);
  grpc::ClientContext context;
  v1::LocatePagesRequest request;
  request.mutable_target()->mutable_process()->set_pid(kPid);
  const auto reader = migrations_->LocatePages(&context, request);
  v1::LocatePagesResponse response;
  EXPECT_FALSE(reader->Read(&response));
  EXPECT_EQ(DetailOf(reader->Finish()).reason(),
            v1::ERROR_REASON_SHUTTING_DOWN);
}

TEST_F(RefusalsTest, WhatThisVersionLacks) {
  Start();
  grpc::ClientContext targets_context;
  v1::ListTargetsResponse targets;
  const grpc::Status targets_status =
      nodes_->ListTargets(&targets_context, {}, &targets);
  EXPECT_EQ(targets_status.error_code(), StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(DetailOf(targets_status).reason(), v1::ERROR_REASON_UNSUPPORTED);
}

TEST_F(RefusalsTest, RequestsLongerThanTheLimit) {
  Start();
  v1::MigratePagesRequest request = Request(8);
  for (int i = 0; i < 600'000; ++i) {
    request.mutable_batches(0)->add_addresses(kAddress);
  }
  EXPECT_EQ(Migrate(request).status.error_code(),
            StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(RefusalsTest, RefusalsAreLoggedWithTheirReason) {
  Start();
  v1::MigratePagesRequest request = Request(8);
  request.mutable_process()->set_pid(4711);
  Migrate(request);
  Stop();
  EXPECT_THAT(log_text_.str(),
              HasSubstr("\"message\":\"call refused\",\"method\":"
                        "\"MigratePages\",\"caller\":\"tester\",\"reason\":"
                        "\"PROCESS_NOT_FOUND\""));
}

}  // namespace
}  // namespace pageferry::service
