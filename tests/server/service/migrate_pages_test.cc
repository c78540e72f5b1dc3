// MigratePages through a real server: what a client gets.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/limits.h"
#include "server/core/reasons.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using core::Reason;
using testing::HasSubstr;

class MigratePagesTest : public ServiceTest {
 protected:
  // Pages of every kind: 8 that move, 4 that move at the third try, 2 on their
  // destination already, 3 pinned, and 3 that are not there.
  void AddMixedPages() {
    backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
    backend_.AddPages(kPid, kAddress + (8 << 12), 4,
                      {NodeId(0), Reason::kNone, 2});
    backend_.AddPages(kPid, kAddress + (12 << 12), 2, {NodeId(1)});
    backend_.AddPages(kPid, kAddress + (14 << 12), 3,
                      {NodeId(0), Reason::kPinned});
  }
  static constexpr uint64_t kMixedPages = 20;

  core::RateLimiter limiter_{1 << 20};

  // How often each page is in the results.
  static std::map<uint64_t, int> PagesOf(const MigrationRecord& record) {
    std::map<uint64_t, int> pages;
    for (const v1::PageResult& result : record.results) {
      for (uint32_t i = 0; i < result.page_count(); ++i) {
        ++pages[result.start_address() + (uint64_t{i} << 12)];
      }
    }
    return pages;
  }
};

TEST_F(MigratePagesTest, MovesPagesAndTellsInOrder) {
  backend_.AddPages(kPid, kAddress, 100, {NodeId(0)});
  Start();
  const MigrationRecord record = Migrate(Request(100));
  ASSERT_TRUE(record.status.ok()) << record.status.error_message();
  ASSERT_GE(record.events.size(), 4u);
  EXPECT_TRUE(record.events.front().has_started());
  EXPECT_TRUE(record.events.back().has_summary());
  EXPECT_EQ(record.started.backend(), "fake");
  EXPECT_EQ(record.started.page_count(), 100u);
  EXPECT_EQ(record.started.fidelity(), v1::MODE_FIDELITY_SCREENED);
  ASSERT_EQ(record.started.processes_size(), 1);
  EXPECT_EQ(record.started.processes(0).pid(), kPid);
  EXPECT_EQ(record.started.processes(0).start_time_ticks(), 1u);
  EXPECT_EQ(record.summary->moved_pages(), 100u);
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
  EXPECT_EQ(backend_.NodeOf(kPid, kAddress + (99 << 12)), NodeId(1));
}

TEST_F(MigratePagesTest, ReportsEveryPageOnceAndSumsAgree) {
  AddMixedPages();
  backend_.SetBatchPages(3);
  Start();
  const MigrationRecord record = Migrate(Request(kMixedPages));
  ASSERT_TRUE(record.status.ok());
  const std::map<uint64_t, int> pages = PagesOf(record);
  ASSERT_EQ(pages.size(), kMixedPages);
  for (const auto& [address, times] : pages) EXPECT_EQ(times, 1) << address;
  EXPECT_EQ(pages.begin()->first, kAddress);
  const v1::MigrationSummary& summary = *record.summary;
  EXPECT_EQ(summary.requested_pages(), kMixedPages);
  EXPECT_EQ(summary.moved_pages(), 12u);
  EXPECT_EQ(summary.already_placed_pages(), 2u);
  EXPECT_EQ(summary.failed_pages(), 6u);
  EXPECT_EQ(summary.not_attempted_pages(), 0u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_MOVED), summary.moved_pages());
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_ALREADY_PLACED),
            summary.already_placed_pages());
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_FAILED), summary.failed_pages());
  EXPECT_EQ(summary.retried_pages(), 8u);
  EXPECT_EQ(summary.passes(), 3u);
  ASSERT_EQ(record.passes.size(), 3u);
  EXPECT_EQ(record.passes[0].retry_pages(), 4u);
  EXPECT_EQ(record.passes[0].retry_reasons(0).reason(), v1::PAGE_REASON_LOCKED);
  EXPECT_EQ(record.passes[2].moved_pages(), 4u);
}

TEST_F(MigratePagesTest, AFailureHasItsReasonAndErrno) {
  backend_.AddPages(kPid, kAddress, 1, {NodeId(0), Reason::kPinned});
  Start();
  const MigrationRecord record = Migrate(Request(1));
  ASSERT_EQ(record.results.size(), 1u);
  EXPECT_EQ(record.results[0].reason(), v1::PAGE_REASON_PINNED);
  EXPECT_EQ(record.results[0].source_node(), 0);
  EXPECT_EQ(record.results[0].node(), 0);
  EXPECT_EQ(record.results[0].error_number(),
            core::ErrnoOfReason(Reason::kPinned));
  EXPECT_NE(record.results[0].error_number(), 0);
}

TEST_F(MigratePagesTest, DetailFailuresReportsOnlyThose) {
  AddMixedPages();
  Start();
  v1::MigratePagesRequest request = Request(kMixedPages);
  request.mutable_options()->set_result_detail(v1::RESULT_DETAIL_FAILURES);
  const MigrationRecord record = Migrate(request);
  EXPECT_EQ(PagesOf(record).size(), 6u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_FAILED), 6u);
  EXPECT_EQ(record.summary->requested_pages(), kMixedPages);
}

TEST_F(MigratePagesTest, DetailSummaryReportsNoPages) {
  AddMixedPages();
  Start();
  v1::MigratePagesRequest request = Request(kMixedPages);
  request.mutable_options()->set_result_detail(v1::RESULT_DETAIL_SUMMARY);
  const MigrationRecord record = Migrate(request);
  EXPECT_TRUE(record.results.empty());
  EXPECT_EQ(record.passes.size(), 3u);
  EXPECT_EQ(record.summary->moved_pages(), 12u);
}

TEST_F(MigratePagesTest, ADryRunMovesNothing) {
  AddMixedPages();
  Start();
  v1::MigratePagesRequest request = Request(kMixedPages);
  request.mutable_options()->set_validate_only(true);
  const MigrationRecord record = Migrate(request);
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->would_move_pages(), 12u);
  EXPECT_EQ(record.summary->moved_pages(), 0u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_WOULD_MOVE), 12u);
  EXPECT_EQ(backend_.NodeOf(kPid, kAddress), NodeId(0));
}

TEST_F(MigratePagesTest, OptionsReachTheBackend) {
  backend_.AddPages(kPid, kAddress, 1, {NodeId(0)});
  Start();
  v1::MigratePagesRequest request = Request(1);
  v1::MigrationOptions* options = request.mutable_options();
  options->set_mode(v1::MIGRATE_MODE_SYNC);
  options->set_shared_pages(v1::SHARED_PAGES_MOVE);
  options->set_preferred_fidelity(v1::MODE_FIDELITY_KERNEL);
  ASSERT_TRUE(Migrate(request).status.ok());
  const core::MoveParameters parameters = backend_.last_parameters();
  EXPECT_EQ(parameters.mode, core::Mode::kSync);
  EXPECT_TRUE(parameters.move_shared);
  EXPECT_EQ(parameters.preferred_fidelity, core::Fidelity::kKernel);
}

TEST_F(MigratePagesTest, MessagesHoldAtMostTheirLimit) {
  // No two neighbours alike: a result each.
  constexpr uint64_t kPages = 10'000;
  for (uint64_t i = 0; i < kPages; i += 2) {
    backend_.AddPages(kPid, kAddress + (i << 12), 1, {NodeId(0)});
  }
  backend_.SetBatchPages(kPages);
  Start();
  const MigrationRecord record = Migrate(Request(kPages));
  EXPECT_EQ(record.results.size(), kPages);
  int most = 0;
  for (const v1::MigrationEvent& event : record.events) {
    most = std::max(most, event.results().results_size());
    EXPECT_LT(event.ByteSizeLong(), core::kMaxMessageBytes);
  }
  EXPECT_EQ(most, static_cast<int>(core::kMaxMessageResults));
}

TEST_F(MigratePagesTest, ARateLimitHolds) {
  // A clock that stands still but for waits: time passes only for the limit.
  backend_.AddPages(kPid, kAddress, 256, {NodeId(0)});
  Start(&fake_clock_);
  v1::MigratePagesRequest request = Request(256);
  request.mutable_options()->set_max_bytes_per_second(1 << 20);
  const MigrationRecord record = Migrate(request);
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->moved_pages(), 256u);
  const double seconds = record.summary->elapsed().seconds() +
                         record.summary->elapsed().nanos() / 1e9;
  EXPECT_GT(seconds, 0.7);  // 1 MiB, less what may go at once
  EXPECT_LT(seconds, 1.3);
}

TEST_F(MigratePagesTest, TheServersRateLimitHoldsToo) {
  context_.server_limiter = &limiter_;
  backend_.AddPages(kPid, kAddress, 256, {NodeId(0)});
  Start(&fake_clock_);
  const MigrationRecord record = Migrate(Request(256));
  EXPECT_EQ(record.summary->moved_pages(), 256u);
  EXPECT_GE(record.summary->elapsed().seconds() * 1'000'000'000 +
                record.summary->elapsed().nanos(),
            700'000'000);
}

TEST_F(MigratePagesTest, WhenTheTimeBudgetIsUsedUpTheRestIsNotAttempted) {
  backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
  backend_.SetBatchPages(4);
  backend_.call_gate().Close();
  Start(&fake_clock_);
  v1::MigratePagesRequest request = Request(8);
  request.mutable_options()->mutable_time_budget()->set_seconds(5);
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, request);
  backend_.call_gate().AwaitWaiting(1);
  fake_clock_.Advance(absl::Seconds(6));
  backend_.call_gate().Open();
  const MigrationRecord record = ReadAll(reader.get());
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_TIME_BUDGET);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
  EXPECT_EQ(record.summary->not_attempted_pages(), 4u);
  EXPECT_EQ(PagesOf(record).size(), 8u);
  EXPECT_EQ(record.results.back().reason(), v1::PAGE_REASON_TIME_BUDGET);
  EXPECT_EQ(record.summary->elapsed().seconds(), 6);
}

TEST_F(MigratePagesTest, TheTimeBudgetCountsFromAcceptance) {
  registry_options_.max_in_flight = 1;
  backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
  backend_.call_gate().Close();
  Start(&fake_clock_);
  grpc::ClientContext first_context;
  const auto first = migrations_->MigratePages(&first_context, Request(8));
  backend_.call_gate().AwaitWaiting(1);
  v1::MigratePagesRequest request = Request(8);
  request.mutable_options()->mutable_time_budget()->set_seconds(5);
  grpc::ClientContext context;
  const auto second = migrations_->MigratePages(&context, request);
  while (registry_->queued(core::Mode::kAsync) == 0) std::this_thread::yield();
  fake_clock_.Advance(absl::Seconds(6));
  backend_.call_gate().Open();
  EXPECT_EQ(ReadAll(first.get()).summary->moved_pages(), 8u);
  const MigrationRecord record = ReadAll(second.get());
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.started.page_count(), 8u);
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_TIME_BUDGET);
  EXPECT_EQ(record.summary->not_attempted_pages(), 8u);
  EXPECT_EQ(backend_.calls(), 1);
}

TEST_F(MigratePagesTest, WhenTheProcessEndsTheStreamStillEndsWell) {
  backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
  backend_.SetBatchPages(4);
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(8));
  backend_.call_gate().LetThrough(1);
  backend_.call_gate().AwaitWaiting(1);
  v1::MigratePagesResponse response;
  MigrationRecord record;
  while (record.results.empty() && reader->Read(&response)) {
    record.Add(response.event());
  }
  backend_.EndProcess(kPid);
  backend_.call_gate().Open();
  while (reader->Read(&response)) record.Add(response.event());
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_PROCESS_EXITED);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_NOT_ATTEMPTED), 4u);
}

TEST_F(MigratePagesTest, EndsAreCountedAndLogged) {
  AddMixedPages();
  Start();
  v1::MigratePagesRequest request = Request(kMixedPages);
  request.set_request_id("job-7");
  const MigrationRecord record = Migrate(request);
  Stop();
  ASSERT_EQ(telemetry_.ended().size(), 1u);
  EXPECT_EQ(telemetry_.ended()[0].moved_pages, record.summary->moved_pages());
  EXPECT_THAT(
      log_text_.str(),
      HasSubstr(absl::StrCat(
          "\"message\":\"migration ended\",\"migration_id\":\"",
          record.started.migration_id(),
          "\",\"request_id\":\"job-7\",\"caller\":\"tester\",\"method\":"
          "\"MigratePages\",\"target\":\"process 1000\",\"mode\":\"ASYNC\"")));
  EXPECT_THAT(log_text_.str(),
              HasSubstr("\"stop_reason\":\"COMPLETED\",\"requested_pages\":20,"
                        "\"moved_pages\":12"));
}

}  // namespace
}  // namespace pageferry::service
