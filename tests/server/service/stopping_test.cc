// Migrations that are stopped: by their client, by others, by a drain; and
// clients that do not read.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <utility>

#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using testing::HasSubstr;

class StoppingTest : public ServiceTest {
 protected:
  StoppingTest() {
    backend_.AddPages(kPid, kAddress, kPages, {NodeId(0)});
    backend_.SetBatchPages(4);
  }

  // Waits until no migration runs or waits.
  void AwaitIdle() {
    EXPECT_TRUE(registry_->AwaitIdle(absl::InfiniteDuration()));
  }

  static constexpr uint64_t kPages = 16;
};

TEST_F(StoppingTest, CancelMigrationStopsItAfterTheCallThatRuns) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext cancel_context;
  v1::CancelMigrationRequest request;
  request.set_migration_id(registry_->List().at(0)->id());
  v1::CancelMigrationResponse response;
  ASSERT_TRUE(
      migrations_->CancelMigration(&cancel_context, request, &response).ok());
  EXPECT_EQ(response.migration().state(), v1::MIGRATION_STATE_RUNNING);
  EXPECT_EQ(response.migration().target().process().pid(), kPid);
  backend_.call_gate().Open();
  const MigrationRecord record = ReadAll(reader.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
  EXPECT_EQ(record.summary->not_attempted_pages(), 12u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_NOT_ATTEMPTED), 12u);
  EXPECT_EQ(backend_.calls(), 1);
}

TEST_F(StoppingTest, CancellingAnEndedMigrationIsFine) {
  Start();
  const MigrationRecord record = Migrate(Request(kPages));
  grpc::ClientContext context;
  v1::CancelMigrationRequest request;
  request.set_migration_id(record.started.migration_id());
  v1::CancelMigrationResponse response;
  ASSERT_TRUE(migrations_->CancelMigration(&context, request, &response).ok());
  EXPECT_EQ(response.migration().state(), v1::MIGRATION_STATE_ENDED);
  EXPECT_EQ(response.migration().progress().moved_pages(), kPages);
  EXPECT_EQ(response.migration().progress().stop_reason(),
            v1::STOP_REASON_COMPLETED);
}

TEST_F(StoppingTest, CancellingWhatIsNotThereIsRefused) {
  Start();
  v1::CancelMigrationResponse response;
  v1::CancelMigrationRequest request;
  request.set_migration_id("no-such");
  grpc::ClientContext context;
  const grpc::Status status =
      migrations_->CancelMigration(&context, request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_THAT(status.error_message(), HasSubstr("no-such"));
  EXPECT_EQ(DetailOf(status).reason(), v1::ERROR_REASON_MIGRATION_NOT_FOUND);
  grpc::ClientContext empty_context;
  const grpc::Status empty =
      migrations_->CancelMigration(&empty_context, {}, &response);
  EXPECT_EQ(empty.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(DetailOf(empty).violations(0).field(), "migration_id");
}

TEST_F(StoppingTest, AQueuedMigrationThatIsCancelledTouchesNothing) {
  registry_options_.max_in_flight = 1;
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext first_context;
  const auto first = migrations_->MigratePages(&first_context, Request(4));
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext context;
  const auto second = migrations_->MigratePages(&context, Request(4, 2));
  while (registry_->queued(core::Mode::kAsync) == 0) std::this_thread::yield();
  registry_->List().at(0)->control().RequestStop(core::StopReason::kCancelled);
  backend_.call_gate().Open();
  ReadAll(first.get());
  const MigrationRecord record = ReadAll(second.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(record.summary->not_attempted_pages(), 4u);
  EXPECT_EQ(backend_.calls(), 1);
}

TEST_F(StoppingTest, AClientThatCancelsStopsItsMigration) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.call_gate().AwaitWaiting(1);
  const auto migration = registry_->List().at(0);
  context.TryCancel();
  EXPECT_EQ(ReadAll(reader.get()).status.error_code(),
            grpc::StatusCode::CANCELLED);
  AwaitStop(*migration);
  backend_.call_gate().Open();
  AwaitIdle();
  EXPECT_EQ(migration->progress().stop_reason, core::StopReason::kCancelled);
  EXPECT_EQ(backend_.calls(), 1);
}

TEST_F(StoppingTest, AClientsDeadlineStopsItsMigration) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() +
                       std::chrono::milliseconds(200));
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  EXPECT_EQ(ReadAll(reader.get()).status.error_code(),
            grpc::StatusCode::DEADLINE_EXCEEDED);
  for (const auto& migration : registry_->List()) AwaitStop(*migration);
  backend_.call_gate().Open();
  AwaitIdle();
  EXPECT_LE(backend_.calls(), 1);
}

TEST_F(StoppingTest, AClientThatVanishesStopsItsMigration) {
  backend_.call_gate().Close();
  Start();
  auto context = std::make_unique<grpc::ClientContext>();
  auto stub = v1::MigrationService::NewStub(NewChannel());
  auto reader = stub->MigratePages(context.get(), Request(kPages));
  backend_.call_gate().AwaitWaiting(1);
  const auto migration = registry_->List().at(0);
  // Dropping the call without reading its end is all that a client that dies
  // does.
  reader.reset();
  context.reset();
  stub.reset();
  AwaitStop(*migration);
  backend_.call_gate().Open();
  AwaitIdle();
  EXPECT_EQ(backend_.calls(), 1);
  EXPECT_EQ(migration->progress().stop_reason, core::StopReason::kCancelled);
}

TEST_F(StoppingTest, AClientThatVanishesFromTheQueueIsForgotten) {
  registry_options_.max_in_flight = 1;
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext first_context;
  const auto first = migrations_->MigratePages(&first_context, Request(4));
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext context;
  const auto second = migrations_->MigratePages(&context, Request(4, 2));
  while (registry_->queued(core::Mode::kAsync) == 0) std::this_thread::yield();
  const auto migration = registry_->List().at(0);
  context.TryCancel();
  AwaitStop(*migration);
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(first.get()).status.ok());
  AwaitIdle();
  EXPECT_EQ(registry_->Find(migration->id()), nullptr);
  EXPECT_EQ(backend_.calls(), 1);
}

TEST_F(StoppingTest, ADrainEndsStreamsWithATrueSummary) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.call_gate().AwaitWaiting(1);
  service_->BeginDrain();
  backend_.call_gate().Open();
  const MigrationRecord record = ReadAll(reader.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_DRAINING);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
  EXPECT_EQ(record.summary->not_attempted_pages(), 12u);
  EXPECT_TRUE(service_->AwaitIdle(absl::InfiniteDuration()));
}

TEST_F(StoppingTest, ADrainRefusesWhatWaitsInTheQueue) {
  registry_options_.max_in_flight = 1;
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext first_context;
  const auto first = migrations_->MigratePages(&first_context, Request(4));
  backend_.call_gate().AwaitWaiting(1);
  grpc::ClientContext context;
  const auto second = migrations_->MigratePages(&context, Request(4, 2));
  while (registry_->queued(core::Mode::kAsync) == 0) std::this_thread::yield();
  service_->BeginDrain();
  backend_.call_gate().Open();
  EXPECT_TRUE(ReadAll(first.get()).summary.has_value());
  const MigrationRecord record = ReadAll(second.get());
  EXPECT_TRUE(record.events.empty());
  EXPECT_EQ(DetailOf(record.status).reason(), v1::ERROR_REASON_SHUTTING_DOWN);
}

TEST_F(StoppingTest, AwaitIdleDoesNotOutlastItsTimeout) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.call_gate().AwaitWaiting(1);
  service_->BeginDrain();
  EXPECT_FALSE(service_->AwaitIdle(absl::Milliseconds(1)));
  backend_.call_gate().Open();
  EXPECT_TRUE(service_->AwaitIdle(absl::InfiniteDuration()));
}

TEST_F(StoppingTest, ACallThatHangsIsAnsweredForPageByPage) {
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.call_gate().LetThrough(1);
  backend_.call_gate().AwaitPassed(1);
  backend_.call_gate().AwaitWaiting(1);
  service_->BeginDrain();
  service_->CloseDuringCalls();
  const MigrationRecord record = ReadAll(reader.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_DRAINING);
  EXPECT_EQ(record.summary->requested_pages(), kPages);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
  EXPECT_EQ(record.summary->not_attempted_pages(), 12u);
  EXPECT_EQ(record.summary->unverified_pages(), 4u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_MOVED), 4u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_NOT_ATTEMPTED), 12u);
  EXPECT_EQ(record.results.back().reason(), v1::PAGE_REASON_DRAINING);
  EXPECT_TRUE(service_->AwaitIdle(absl::InfiniteDuration()));
  // When the call returns after all, nothing is told or counted again.
  backend_.call_gate().Open();
  Stop();
  ASSERT_EQ(telemetry_.ended().size(), 1u);
  EXPECT_EQ(telemetry_.ended()[0].not_attempted_pages, 12u);
}

TEST_F(StoppingTest, WhatIsInNoCallIsNotAnsweredFor) {
  backend_.open_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(kPages));
  backend_.open_gate().AwaitWaiting(1);
  service_->CloseDuringCalls();
  backend_.open_gate().Open();
  EXPECT_EQ(ReadAll(reader.get()).summary->moved_pages(), kPages);
}

// Pages such that no two neighbours are alike: a result each, 20 bytes or more.
class SlowReaderTest : public ServiceTest {
 protected:
  static constexpr uint64_t kManyPages = 200'000;

  SlowReaderTest() {
    backend_.AddPages(kPid, kAddress, kManyPages, {NodeId(0)});
    for (uint64_t i = 0; i < kManyPages; i += 2) {
      backend_.AddPages(kPid, kAddress + (i << 12), 1, {NodeId(1)});
    }
    backend_.SetBatchPages(1'000);
    backend_.AddProcess(2000, FakeProcess());
    backend_.AddPages(2000, kAddress, 8, {NodeId(0)});
  }

  static v1::MigratePagesRequest OtherRequest() {
    v1::MigratePagesRequest request = Request(8);
    request.mutable_process()->set_pid(2000);
    return request;
  }
};

TEST_F(SlowReaderTest, HoldsBackItsOwnMigrationAndNoOther) {
  Start();
  grpc::ClientContext context;
  const auto slow = migrations_->MigratePages(&context, Request(kManyPages));
  v1::MigratePagesResponse response;
  ASSERT_TRUE(slow->Read(&response));
  EXPECT_TRUE(response.event().has_started());
  for (int i = 0; i < 20; ++i) {
    auto stub = v1::MigrationService::NewStub(NewChannel());
    grpc::ClientContext other_context;
    const auto other = stub->MigratePages(&other_context, OtherRequest());
    EXPECT_TRUE(ReadAll(other.get()).status.ok());
  }
  EXPECT_EQ(registry_->running(core::Mode::kAsync), 1u);
  // Once it reads, everything comes.
  const MigrationRecord record = ReadAll(slow.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.results.size(), kManyPages);
  EXPECT_EQ(record.summary->moved_pages(), kManyPages / 2);
  telemetry_.AwaitStall();
}

TEST_F(SlowReaderTest, IsGivenUpAfterAWhileHavingCostLittle) {
  context_.stream_limits.stall_timeout = absl::Milliseconds(50);
  Start();
  grpc::ClientContext context;
  const auto slow = migrations_->MigratePages(&context, Request(kManyPages));
  telemetry_.AwaitStall();
  EXPECT_TRUE(registry_->AwaitIdle(absl::InfiniteDuration()));
  // It was stopped long before all results were made, so they cannot have
  // piled up.
  const core::MigrationSummary summary = telemetry_.ended().at(0);
  EXPECT_EQ(summary.stop_reason, core::StopReason::kCancelled);
  EXPECT_LT(backend_.calls(), 100);
  EXPECT_EQ(ReadAll(slow.get()).status.error_code(),
            grpc::StatusCode::CANCELLED);
}

}  // namespace
}  // namespace pageferry::service
