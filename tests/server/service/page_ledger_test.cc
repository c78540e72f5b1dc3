#include "server/service/page_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <utility>

namespace pageferry::service {
namespace {

using core::NodeId;
using core::PageRun;
using core::VirtualAddress;
using testing::ElementsAre;
using testing::IsEmpty;

PageRun RunOf(uint64_t first_page, uint64_t pages) {
  return {VirtualAddress::OfPage(first_page), pages};
}

// Pages 10 to 19 for node 1, 20 to 24 for node 0, and 100 for node 1.
core::PageList Pages() {
  core::PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(10), 10);
  builder.AddRange(VirtualAddress::OfPage(100), 1);
  builder.StartEntry({{NodeId(0)}});
  builder.AddRange(VirtualAddress::OfPage(20), 5);
  absl::optional<core::PlacementConflict> conflict;
  return std::move(builder).Build(&conflict);
}

TEST(PageLedgerTest, AtFirstNothingIsSettled) {
  EXPECT_THAT(PageLedger(Pages()).Unsettled(),
              ElementsAre(RunOf(10, 15), RunOf(100, 1)));
}

TEST(PageLedgerTest, KnowsWhatIsLeft) {
  PageLedger ledger(Pages());
  ledger.Settle(RunOf(12, 3));
  ledger.Settle(RunOf(24, 1));
  EXPECT_THAT(ledger.Unsettled(),
              ElementsAre(RunOf(10, 2), RunOf(15, 9), RunOf(100, 1)));
}

TEST(PageLedgerTest, ARunMaySpanPlacements) {
  PageLedger ledger(Pages());
  ledger.Settle(RunOf(18, 4));
  EXPECT_THAT(ledger.Unsettled(),
              ElementsAre(RunOf(10, 8), RunOf(22, 3), RunOf(100, 1)));
}

TEST(PageLedgerTest, InTheEndNothingIsLeft) {
  PageLedger ledger(Pages());
  ledger.Settle(RunOf(100, 1));
  ledger.Settle(RunOf(10, 15));
  EXPECT_THAT(ledger.Unsettled(), IsEmpty());
}

}  // namespace
}  // namespace pageferry::service
