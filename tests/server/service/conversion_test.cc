#include "server/service/conversion.h"

#include <gtest/gtest.h>

#include <cerrno>
#include <limits>

#include "server/core/limits.h"
#include "server/core/reasons.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using core::VirtualAddress;

core::SettledRun RunOf(uint64_t pages) {
  core::SettledRun run;
  run.run = {VirtualAddress(0x1000), pages};
  run.outcome = core::Outcome::kFailed;
  run.reason = core::Reason::kLocked;
  run.source = NodeId(0);
  run.node = NodeId(0);
  run.passes = 10;
  run.folio_pages = 512;
  return run;
}

TEST(ConversionTest, TellsAllOfAResult) {
  v1::PageResults results;
  EXPECT_EQ(AppendPageResults(RunOf(3), &results), 1);
  const v1::PageResult& result = results.results(0);
  EXPECT_EQ(result.start_address(), 0x1000u);
  EXPECT_EQ(result.page_count(), 3u);
  EXPECT_EQ(result.outcome(), v1::PAGE_OUTCOME_FAILED);
  EXPECT_EQ(result.reason(), v1::PAGE_REASON_LOCKED);
  EXPECT_EQ(result.source_node(), 0);
  EXPECT_TRUE(result.has_source_node());
  EXPECT_EQ(result.passes(), 10u);
  EXPECT_EQ(result.folio_pages(), 512u);
  EXPECT_EQ(result.error_number(), core::ErrnoOfReason(core::Reason::kLocked));
}

TEST(ConversionTest, NodesThatWereNotSeenStayUnset) {
  core::SettledRun run = RunOf(1);
  run.source = NodeId::Unknown();
  run.node = NodeId::Unknown();
  v1::PageResults results;
  AppendPageResults(run, &results);
  EXPECT_FALSE(results.results(0).has_source_node());
  EXPECT_FALSE(results.results(0).has_node());
}

TEST(ConversionTest, SplitsRunsThatPageCountCannotHold) {
  constexpr uint64_t kMost = std::numeric_limits<uint32_t>::max();
  v1::PageResults results;
  EXPECT_EQ(AppendPageResults(RunOf(kMost + 5), &results), 2);
  EXPECT_EQ(results.results(0).page_count(), kMost);
  EXPECT_EQ(results.results(1).page_count(), 5u);
  EXPECT_EQ(results.results(1).start_address(), 0x1000 + kMost * 4096);
}

TEST(ConversionTest, AFullMessageOfTheLongestResultsIsWithinItsLimit) {
  core::SettledRun run = RunOf(std::numeric_limits<uint32_t>::max());
  run.source = NodeId(1023);
  run.node = NodeId(1023);
  run.passes = core::kMaxPasses;
  run.folio_pages = 1u << 18;
  v1::MigratePagesResponse response;
  for (uint32_t i = 0; i < core::kMaxMessageResults; ++i) {
    AppendPageResults(run, response.mutable_event()->mutable_results());
  }
  EXPECT_LT(response.ByteSizeLong(), core::kMaxMessageBytes);
}

TEST(ConversionTest, TellsAllOfASummary) {
  core::MigrationSummary summary;
  summary.requested_pages = 100;
  summary.moved_pages = 50;
  summary.already_placed_pages = 20;
  summary.failed_pages = 18;
  summary.not_attempted_pages = 7;
  summary.would_move_pages = 5;
  summary.companion_pages = 3;
  summary.passes = 4;
  summary.retried_pages = 9;
  summary.failures[static_cast<size_t>(core::Reason::kBusy)] = 18;
  summary.not_attempted[static_cast<size_t>(core::Reason::kDraining)] = 7;
  summary.moved_between[{NodeId(0), NodeId(2)}] = 30;
  summary.moved_between[{NodeId::Unknown(), NodeId(2)}] = 15;
  summary.moved_between[{NodeId(0), NodeId(1)}] = 5;
  summary.kernel_calls = 6;
  summary.longest_kernel_call = absl::Milliseconds(12);
  summary.kernel_fidelity_pages = 1;
  summary.elapsed = absl::Milliseconds(1250);
  summary.stop_reason = core::StopReason::kDraining;
  const v1::MigrationSummary out = ToProto(summary);
  EXPECT_EQ(out.requested_pages(), 100u);
  EXPECT_EQ(out.moved_pages(), 50u);
  EXPECT_EQ(out.already_placed_pages(), 20u);
  EXPECT_EQ(out.failed_pages(), 18u);
  EXPECT_EQ(out.not_attempted_pages(), 7u);
  EXPECT_EQ(out.would_move_pages(), 5u);
  EXPECT_EQ(out.companion_pages(), 3u);
  EXPECT_EQ(out.moved_bytes(), 53u * 4096);
  EXPECT_EQ(out.passes(), 4u);
  EXPECT_EQ(out.retried_pages(), 9u);
  ASSERT_EQ(out.failures_size(), 2);
  EXPECT_EQ(out.failures(0).reason(), v1::PAGE_REASON_BUSY);
  EXPECT_EQ(out.failures(0).page_count(), 18u);
  EXPECT_EQ(out.failures(1).reason(), v1::PAGE_REASON_DRAINING);
  EXPECT_EQ(out.failures(1).page_count(), 7u);
  ASSERT_EQ(out.moved_to_size(), 2);
  EXPECT_EQ(out.moved_to(0).node(), 1);
  EXPECT_EQ(out.moved_to(1).node(), 2);
  EXPECT_EQ(out.moved_to(1).page_count(), 45u);
  EXPECT_EQ(out.elapsed().seconds(), 1);
  EXPECT_EQ(out.elapsed().nanos(), 250'000'000);
  EXPECT_EQ(out.longest_kernel_call().nanos(), 12'000'000);
  EXPECT_EQ(out.kernel_calls(), 6u);
  EXPECT_EQ(out.kernel_fidelity_pages(), 1u);
  EXPECT_EQ(out.stop_reason(), v1::STOP_REASON_DRAINING);
}

TEST(ConversionTest, TellsAllOfAPass) {
  core::PassFigures pass;
  pass.pass = 3;
  pass.forced = true;
  pass.moved_pages = 4;
  pass.retry_pages = 5;
  pass.failed_pages = 6;
  pass.retry_reasons[static_cast<size_t>(core::Reason::kWriteback)] = 5;
  const v1::PassCompleted out = ToProto(pass);
  EXPECT_EQ(out.pass(), 3u);
  EXPECT_TRUE(out.forced());
  EXPECT_EQ(out.moved_pages(), 4u);
  EXPECT_EQ(out.retry_pages(), 5u);
  EXPECT_EQ(out.failed_pages(), 6u);
  ASSERT_EQ(out.retry_reasons_size(), 1);
  EXPECT_EQ(out.retry_reasons(0).reason(), v1::PAGE_REASON_WRITEBACK);
}

TEST(ConversionTest, TellsWhereAPageIsAndWhatIsKnownOfIt) {
  core::LocatedRun run;
  run.run = {VirtualAddress(0x5000), 2};
  run.resident = true;
  run.node = NodeId(1);
  run.folio_pages = 1;
  run.states.Add(core::PageState::kAnonymous);
  run.states.Add(core::PageState::kHwpoison);
  v1::LocatePagesResponse response;
  EXPECT_EQ(AppendPageLocations(run, &response), 1);
  const v1::PageLocation& location = response.locations(0);
  EXPECT_EQ(location.start_address(), 0x5000u);
  EXPECT_EQ(location.page_count(), 2u);
  EXPECT_TRUE(location.resident());
  EXPECT_EQ(location.node(), 1);
  ASSERT_EQ(location.states_size(), 2);
  EXPECT_EQ(location.states(0), v1::PAGE_STATE_ANONYMOUS);
  EXPECT_EQ(location.states(1), v1::PAGE_STATE_HWPOISON);
}

TEST(ConversionTest, DurationsOutOfRangeBecomeTheLongest) {
  EXPECT_EQ(ToProtoDuration(absl::InfiniteDuration()).seconds(),
            315'576'000'000);
  const google::protobuf::Duration negative =
      ToProtoDuration(absl::Milliseconds(-1500));
  EXPECT_EQ(negative.seconds(), -1);
  EXPECT_EQ(negative.nanos(), -500'000'000);
}

TEST(ConversionTest, TimestampsKeepNanoseconds) {
  const google::protobuf::Timestamp out =
      ToProtoTimestamp(absl::FromUnixNanos(1'500'000'000));
  EXPECT_EQ(out.seconds(), 1);
  EXPECT_EQ(out.nanos(), 500'000'000);
}

TEST(ConversionTest, LimitsAreThoseInForce) {
  const v1::Limits limits = LimitsInForce(777);
  EXPECT_EQ(limits.request_bytes(), 4u * 1024 * 1024);
  EXPECT_EQ(limits.pages_per_request(), 16'777'216u);
  EXPECT_EQ(limits.ranges_per_request(), 65'536u);
  EXPECT_EQ(limits.batches_per_request(), 65'536u);
  EXPECT_EQ(limits.fallback_nodes(), 8u);
  EXPECT_EQ(limits.request_id_characters(), 64u);
  EXPECT_EQ(limits.cgroup_path_characters(), 4'096u);
  EXPECT_EQ(limits.max_passes(), 100u);
  EXPECT_EQ(limits.migrations_in_flight(), core::kMaxMigrationsInFlight);
  EXPECT_EQ(limits.migrations_queued(), core::kMaxMigrationsQueued);
  EXPECT_EQ(limits.stream_queue_bytes(), 64u * 1024);
  EXPECT_EQ(limits.stream_stall_timeout().seconds(), 60);
  EXPECT_EQ(limits.bytes_per_second(), 777u);
}

}  // namespace
}  // namespace pageferry::service
