#include "client/cli/migration_totals.h"

#include "client/cli/words.h"
#include "gtest/gtest.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client::cli {
namespace {

v1::MigrationSummary Part() {
  v1::MigrationSummary part;
  part.set_requested_pages(21);
  part.set_moved_pages(1);
  part.set_already_placed_pages(2);
  part.set_failed_pages(3);
  part.set_not_attempted_pages(5);
  part.set_would_move_pages(10);
  part.set_companion_pages(7);
  part.set_moved_bytes(8);
  part.set_passes(9);
  part.set_retried_pages(11);
  part.set_kernel_calls(12);
  part.set_kernel_fidelity_pages(13);
  part.set_unverified_pages(14);
  *part.mutable_elapsed() = ToProto(absl::Milliseconds(1500));
  *part.mutable_longest_kernel_call() = ToProto(absl::Milliseconds(4));
  *part.add_failures() = Count(v1::PAGE_REASON_BUSY, 6);
  *part.add_failures() = Count(v1::PAGE_REASON_ZERO_PAGE, 2);
  part.add_moved_to()->set_node(1);
  part.mutable_moved_to(0)->set_page_count(1);
  part.set_stop_reason(v1::STOP_REASON_COMPLETED);
  return part;
}

TEST(MigrationTotalsTest, OnePartIsItsOwnTotal) {
  MigrationTotals totals;
  totals.Add(Part());
  EXPECT_EQ(totals.summary.SerializeAsString(), Part().SerializeAsString());
}

TEST(MigrationTotalsTest, CountsAddUpAndExtremesStay) {
  MigrationTotals totals;
  totals.Add(Part());
  v1::MigrationSummary second = Part();
  second.set_passes(2);
  second.set_stop_reason(v1::STOP_REASON_DESTINATION_FULL);
  second.mutable_moved_to(0)->set_node(3);
  *second.mutable_longest_kernel_call() = ToProto(absl::Milliseconds(9));
  totals.Add(second);
  const v1::MigrationSummary& sum = totals.summary;
  EXPECT_EQ(sum.requested_pages(), 42);
  EXPECT_EQ(sum.requested_pages(),
            sum.moved_pages() + sum.already_placed_pages() +
                sum.failed_pages() + sum.not_attempted_pages() +
                sum.would_move_pages());
  EXPECT_EQ(sum.moved_bytes(), 16);
  EXPECT_EQ(sum.unverified_pages(), 28);
  EXPECT_EQ(sum.passes(), 9);
  EXPECT_EQ(ToDuration(sum.elapsed()), absl::Seconds(3));
  EXPECT_EQ(ToDuration(sum.longest_kernel_call()), absl::Milliseconds(9));
  ASSERT_EQ(sum.failures_size(), 2);
  EXPECT_EQ(sum.failures(0).page_count(), 12);
  ASSERT_EQ(sum.moved_to_size(), 2);
  EXPECT_EQ(sum.stop_reason(), v1::STOP_REASON_DESTINATION_FULL);
}

TEST(MigrationTotalsTest, FirstReasonToStopStays) {
  MigrationTotals totals;
  for (const v1::StopReason reason :
       {v1::STOP_REASON_COMPLETED, v1::STOP_REASON_DESTINATION_FULL,
        v1::STOP_REASON_COMPLETED}) {
    v1::MigrationSummary part;
    part.set_stop_reason(reason);
    totals.Add(part);
  }
  EXPECT_EQ(totals.summary.stop_reason(), v1::STOP_REASON_DESTINATION_FULL);
}

TEST(MigrationTotalsTest, PagesLeftAreThoseThatExist) {
  MigrationTotals totals;
  EXPECT_EQ(totals.PagesLeft(/*shared_may_stay=*/false), 0);
  totals.Add(Part());  // 8 not moved, 2 of them absent
  EXPECT_EQ(totals.PagesLeft(/*shared_may_stay=*/false), 6);
  totals.unsent_pages = 100;
  totals.unknown_pages = 1000;
  EXPECT_EQ(totals.PagesLeft(/*shared_may_stay=*/false), 1106);
}

TEST(MigrationTotalsTest, SharedPagesAreLeftUnlessTheyMayStay) {
  MigrationTotals totals;
  v1::MigrationSummary part;
  part.set_failed_pages(5);
  v1::ReasonCount* shared = part.add_failures();
  shared->set_reason(v1::PAGE_REASON_SHARED);
  shared->set_page_count(3);
  totals.Add(part);
  EXPECT_EQ(totals.PagesLeft(/*shared_may_stay=*/false), 5);
  EXPECT_EQ(totals.PagesLeft(/*shared_may_stay=*/true), 2);
}

}  // namespace
}  // namespace pageferry::client::cli
