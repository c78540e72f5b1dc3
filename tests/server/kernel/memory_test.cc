// Destinations without room.

#include <cerrno>

#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::Reason;
using core::StopReason;

class MemoryTest : public KernelTest {
 protected:
  void SetFree(int node, uint64_t free_pages, uint64_t low_watermark = 0) {
    kernel_.memory.node(node).free_pages = free_pages;
    kernel_.memory.node(node).low_watermark_pages = low_watermark;
  }

  static core::PageList To(std::vector<NodeId> nodes, uint64_t first,
                           uint64_t count) {
    return core::ListOf({{core::VirtualAddress::OfPage(first), count}},
                        std::move(nodes));
  }

  uint64_t PagesOn(int node, uint64_t first, uint64_t count) {
    uint64_t pages = 0;
    for (uint64_t i = 0; i < count; ++i) {
      if (process_->NodeOf(first + i) == node) ++pages;
    }
    return pages;
  }
};

TEST_F(MemoryTest, AFullDestinationIsReportedPageByPage) {
  SetFree(1, 5068);
  FillPages(kBase, 20'000);
  Migrate(ToNode1(kBase, 20'000));
  EXPECT_EQ(summary_.moved_pages, 5068u);
  EXPECT_EQ(PagesOn(1, kBase, 20'000), 5068u);
  EXPECT_EQ(Failures(Reason::kNoMemory), 1u);
  EXPECT_EQ(NotAttempted(Reason::kAborted), 20'000u - 5069);
  EXPECT_EQ(summary_.stop_reason, StopReason::kDestinationFull);
}

TEST_F(MemoryTest, AShortageFindsTheLastPageThatFits) {
  SetFree(1, 37);
  FillPages(kBase, 100);
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 37u);
  EXPECT_EQ(ReasonOf(kBase + 37), Reason::kNoMemory);
  EXPECT_EQ(ReasonOf(kBase + 38), Reason::kAborted);
}

TEST_F(MemoryTest, WhatNeedsNoRoomIsSettledOnAFullDestination) {
  SetFree(1, 0);
  FillPages(kBase, 4, /*node=*/0);
  FillPages(kBase + 4, 4, /*node=*/1);
  process_->pages.erase(kBase + 2);
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.already_placed_pages, 4u);
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kNotPresent);
  EXPECT_EQ(Failures(Reason::kNoMemory), 1u);
  EXPECT_EQ(NotAttempted(Reason::kAborted), 2u);
}

TEST_F(MemoryTest, PagesGoOnToFallbackNodes) {
  kernel_.memory.AddNode(2, 50);
  process_->allowed_nodes.insert(2);
  kernel_.own()->allowed_nodes.insert(2);
  SetFree(1, 30);
  FillPages(kBase, 100);
  Migrate(To({NodeId(1), NodeId(2)}, kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 80u);
  EXPECT_EQ((summary_.moved_between[{NodeId(0), NodeId(1)}]), 30u);
  EXPECT_EQ((summary_.moved_between[{NodeId(0), NodeId(2)}]), 50u);
  EXPECT_EQ(Failures(Reason::kNoMemory), 1u);
}

TEST_F(MemoryTest, HugePagesStopBeforeBasePagesDo) {
  SetFree(1, 600);
  FillHugePages(kBase, 3);
  FillPages(kBase + 3 * 512, 80);
  Migrate(ToNode1(kBase, 3 * 512 + 80));
  EXPECT_EQ(PagesOn(1, kBase, 512), 512u);
  EXPECT_EQ(PagesOn(1, kBase + 3 * 512, 80), 80u);
  EXPECT_EQ(summary_.moved_pages, 592u);
  EXPECT_EQ(Failures(Reason::kNoMemory), 512u);
  EXPECT_EQ(NotAttempted(Reason::kAborted), 512u);
}

TEST_F(MemoryTest, AShortageThatAHugePageMeetsAsAFailureIsNoMemoryToo) {
  kernel_.behaviour.huge_shortage_is_failure = true;
  SetFree(1, 100);
  FillHugePages(kBase, 1);
  FillPages(kBase + 512, 20);
  Migrate(ToNode1(kBase, 532));
  EXPECT_EQ(ReasonOf(kBase), Reason::kNoMemory);
  EXPECT_EQ(summary_.moved_pages, 20u);
}

TEST_F(MemoryTest, CallsGrowAgainAfterAShortageThatPassed) {
  SetFree(1, 100);
  FillPages(kBase, 4000);
  kernel_.after_move = [this](int number) {
    if (number == 0) SetFree(1, 10'000);
  };
  Migrate(ToNode1(kBase, 4000));
  EXPECT_EQ(summary_.moved_pages, 4000u);
  EXPECT_LT(summary_.kernel_calls, 20u);
}

TEST_F(MemoryTest, ADestinationThatGoesAwayTakesNothing) {
  FillPages(kBase, 100);
  kernel_.before_move = [this](int number) {
    if (number == 0) kernel_.memory.RemoveNode(1);
    // A caller that asks for ever would never come back.
    if (number > 1000) control_.RequestStop(StopReason::kCancelled);
  };
  Migrate(ToNode1(kBase, 100));
  EXPECT_LT(kernel_.moves.size(), 10u);
  EXPECT_EQ(summary_.moved_pages, 0u);
  EXPECT_EQ(Failures(Reason::kNoMemory), 1u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kDestinationFull);
}

TEST_F(MemoryTest, ACpusetThatShrinksMeanwhileIsTold) {
  FillPages(kBase, 10);
  kernel_.before_move = [this](int) { process_->allowed_nodes = {0}; };
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(Failures(Reason::kCpuset), 10u);
  EXPECT_EQ(kernel_.moves.size(), 1u);
}

class WatermarkTest : public MemoryTest,
                      public ::testing::WithParamInterface<Mode> {
 protected:
  WatermarkTest() { parameters_.mode = GetParam(); }
};

TEST_P(WatermarkTest, CallsShrinkToTheRoomAboveTheLowWatermark) {
  SetFree(1, 1300, /*low_watermark=*/1000);
  FillPages(kBase, 1000);
  Migrate(ToNode1(kBase, 1000));
  EXPECT_EQ(summary_.moved_pages, 300u);
  EXPECT_EQ(kernel_.memory.reclaims, 0);
  // Held back in every pass, not told by the kernel.
  EXPECT_EQ(Failures(Reason::kNoMemory), 700u);
  EXPECT_EQ(ResultOf(kBase + 999).passes, 10u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kDestinationFull);
}

TEST_P(WatermarkTest, RoomThatAppearsLaterIsUsed) {
  SetFree(1, 1000, /*low_watermark=*/1000);
  FillPages(kBase, 100);
  observer_.after_pass = [this](uint32_t pass) {
    if (pass == 2) SetFree(1, 2000, 1000);
  };
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 100u);
  EXPECT_EQ(ResultOf(kBase).passes, 4u);
  EXPECT_EQ(kernel_.memory.reclaims, 0);
}

TEST_P(WatermarkTest, SmallFoliosGoOnWhereALargeOneDoesNotFit) {
  SetFree(1, 1100, /*low_watermark=*/1000);
  FillHugePages(kBase, 1);
  FillPages(kBase + 512, 50);
  Migrate(ToNode1(kBase, 562));
  EXPECT_EQ(summary_.moved_pages, 50u);
  EXPECT_EQ(ReasonOf(kBase), Reason::kNoMemory);
  EXPECT_EQ(kernel_.memory.reclaims, 0);
}

TEST_P(WatermarkTest, FallbackNodesTakeWhatDoesNotFit) {
  kernel_.memory.AddNode(2, 1000);
  process_->allowed_nodes.insert(2);
  kernel_.own()->allowed_nodes.insert(2);
  SetFree(1, 1040, /*low_watermark=*/1000);
  FillPages(kBase, 100);
  Migrate(To({NodeId(1), NodeId(2)}, kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 100u);
  EXPECT_EQ(PagesOn(1, kBase, 100), 40u);
  EXPECT_EQ(PagesOn(2, kBase, 100), 60u);
  EXPECT_EQ(kernel_.memory.reclaims, 0);
}

TEST_P(WatermarkTest, WithoutZoneinfoTheKernelDecides) {
  kernel_.FailFile("/proc/zoneinfo", EACCES);
  SetFree(1, 8);
  FillPages(kBase, 10);
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(summary_.moved_pages, 8u);
  EXPECT_EQ(Failures(Reason::kNoMemory), 1u);
}

INSTANTIATE_TEST_SUITE_P(Modes, WatermarkTest,
                         ::testing::Values(Mode::kAsync, Mode::kSyncLight),
                         [](const auto& mode) {
                           return mode.param == Mode::kAsync ? "Async"
                                                             : "SyncLight";
                         });

TEST_F(MemoryTest, SyncMayReclaim) {
  SetFree(1, 1300, /*low_watermark=*/1000);
  FillPages(kBase, 1000);
  Migrate(ToNode1(kBase, 1000));
  EXPECT_EQ(summary_.moved_pages, 1000u);
  EXPECT_EQ(kernel_.memory.reclaims, 700);
}

}  // namespace
}  // namespace pageferry::kernel
