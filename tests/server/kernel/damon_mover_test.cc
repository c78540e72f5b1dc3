// Migrations whose caller prefers fidelity KERNEL.

#include "server/kernel/damon_mover.h"

#include <utility>

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Fidelity;
using core::Mode;
using core::NodeId;
using core::Outcome;
using core::Reason;
using core::StopReason;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class DamonMoverTest : public KernelTest {
 protected:
  DamonMoverTest() {
    parameters_.mode = Mode::kAsync;
    parameters_.preferred_fidelity = Fidelity::kKernel;
  }

  // Every page moved, none by DAMON.
  void ExpectScreened(uint64_t pages) {
    EXPECT_EQ(summary_.moved_pages, pages);
    EXPECT_EQ(summary_.kernel_fidelity_pages, 0u);
    EXPECT_THAT(kernel_.damon.tried, IsEmpty());
  }
};

TEST_F(DamonMoverTest, MovesPagesWithFidelityKernel) {
  FillPages(kBase, 10'000);
  Migrate(ToNode1(kBase, 10'000));
  EXPECT_EQ(summary_.moved_pages, 10'000u);
  EXPECT_EQ(summary_.kernel_fidelity_pages, 10'000u);
  EXPECT_EQ(summary_.kernel_calls, 3u);  // 4,096 pages each at most
  EXPECT_GT(summary_.longest_kernel_call, absl::ZeroDuration());
  EXPECT_EQ(ResultOf(kBase + 7).source, NodeId(0));
  EXPECT_EQ(ResultOf(kBase + 7).passes, 1u);
  EXPECT_THAT(kernel_.moves, IsEmpty());
  EXPECT_FALSE(kernel_.damon.has_slot());
}

TEST_F(DamonMoverTest, OnlyForThoseWhoPreferItInAsync) {
  FillPages(kBase, 100);
  parameters_.validate_only = true;
  Migrate(ToNode1(kBase, 100));
  parameters_.validate_only = false;
  parameters_.mode = Mode::kSync;
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
  parameters_.mode = Mode::kAsync;
  parameters_.preferred_fidelity = Fidelity::kScreened;
  Migrate(To(NodeId(0), kBase, 100));
  ExpectScreened(100);
}

TEST_F(DamonMoverTest, WhatDamonDoesNotMoveGoesOnInTheSamePass) {
  FillPages(kBase, 1000);
  // Pinned or locked between the look and the move.
  kernel_.damon.before_on = [this] {
    FolioOf(kBase + 100)->pinned = true;
    FolioOf(kBase + 200)->lru = Lru::kInCache;
  };
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, 1000));
  EXPECT_EQ(summary_.moved_pages, 999u);
  EXPECT_EQ(summary_.kernel_fidelity_pages, 998u);
  EXPECT_EQ(OutcomeOf(kBase + 200), Outcome::kMoved);
  EXPECT_EQ(ReasonOf(kBase + 100), Reason::kPinned);
}

TEST_F(DamonMoverTest, APageGetsOneTryOfThisKind) {
  FillPages(kBase, 1000);
  for (int i = 0; i < 20; ++i) FolioOf(kBase + 100 + i)->pinned = true;
  Migrate(ToNode1(kBase, 1000));
  EXPECT_EQ(summary_.moved_pages, 980u);
  EXPECT_EQ(Failures(Reason::kPinned), 20u);
  EXPECT_EQ(kernel_.damon.migrations, 1);
}

TEST_F(DamonMoverTest, SharedPagesAreLeftOutUnlessAsked) {
  FillPages(kBase, 100);
  for (int i = 40; i < 60; ++i) FolioOf(kBase + i)->mappers = 2;
  const uint64_t shared = FolioOf(kBase + 50)->head;
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.kernel_fidelity_pages, 80u);
  EXPECT_EQ(Failures(Reason::kShared), 20u);
  EXPECT_EQ(kernel_.damon.tried.count(shared), 0u);
  parameters_.move_shared = true;
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.kernel_fidelity_pages, 20u);
  EXPECT_EQ(summary_.moved_pages, 20u);
}

TEST_F(DamonMoverTest, AFrameMappedTwiceIsListedOnce) {
  FillPages(kBase, 100);
  process_->Map(kBase + 200, 10);
  for (int i = 0; i < 10; ++i) {
    FolioOf(kBase + i)->mappers = 2;
    process_->Put(kBase + 200 + i, FolioOf(kBase + i));
  }
  parameters_.move_shared = true;
  Migrate(ToNode1(kBase, 210));
  EXPECT_EQ(summary_.kernel_fidelity_pages, 110u);
  EXPECT_THAT(kernel_.damon.tried, SizeIs(100));
}

// What happens between the first look and the last one before the move.
class DamonLastLookTest : public DamonMoverTest {
 protected:
  void BeforeTheLastLook(std::function<void()> happens) {
    kernel_.before_query = [this, happens] {
      if (kernel_.damon.has_slot()) happens();
    };
  }
};

TEST_F(DamonLastLookTest, AFrameThatChangedHandsCallsItOff) {
  FillPages(kBase, 100);
  BeforeTheLastLook(
      [this] { process_->Put(kBase + 50, kernel_.memory.Place(0)); });
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
}

TEST_F(DamonLastLookTest, APageThatBecameSharedCallsItOff) {
  FillPages(kBase, 100);
  BeforeTheLastLook([this] { FolioOf(kBase + 50)->mappers = 2; });
  Migrate(ToNode1(kBase, 100));
  EXPECT_THAT(kernel_.damon.tried, IsEmpty());
  EXPECT_EQ(summary_.moved_pages, 99u);
  EXPECT_EQ(ReasonOf(kBase + 50), Reason::kShared);
}

TEST_F(DamonLastLookTest, ProcessThatExitsCallsItOff) {
  FillPages(kBase, 100);
  BeforeTheLastLook([this, exited = false]() mutable {
    if (!std::exchange(exited, true)) kernel_.Exit(kPid);
  });
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.stop_reason, StopReason::kProcessExited);
  EXPECT_THAT(kernel_.damon.tried, IsEmpty());
}

TEST_F(DamonMoverTest, AFrameThatIsFreedAfterTheLastLookIsNotReportedMoved) {
  FillPages(kBase, 100);
  kernel_.damon.before_on = [this] { process_->pages.erase(kBase + 50); };
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.kernel_fidelity_pages, 99u);
  EXPECT_EQ(ReasonOf(kBase + 50), Reason::kNotPresent);
}

TEST_F(DamonMoverTest, ProcessThatExitsMeanwhileIsReported) {
  FillPages(kBase, 100);
  kernel_.damon.before_on = [this] { kernel_.Exit(kPid); };
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.stop_reason, StopReason::kProcessExited);
  EXPECT_EQ(summary_.moved_pages, 0u);
}

TEST_F(DamonMoverTest, ACpusetThatIsNarrowedBeforeTheMoveIsKept) {
  FillPages(kBase, 100);
  kernel_.before_open = [this](const std::string& path) {
    if (path != "/proc/100/status" || !kernel_.damon.has_slot()) return;
    process_->allowed_nodes = {0};
  };
  Migrate(ToNode1(kBase, 100));
  EXPECT_THAT(kernel_.damon.tried, IsEmpty());
  EXPECT_EQ(Failures(Reason::kCpuset), 100u);
}

TEST_F(DamonMoverTest, ADestinationWithoutRoomIsLeftToTheScreenedWay) {
  FillPages(kBase, 100);
  kernel_.memory.AddNode(1, /*free_pages=*/90, /*low_watermark_pages=*/40);
  Migrate(ToNode1(kBase, 100));
  EXPECT_THAT(kernel_.damon.tried, IsEmpty());
  EXPECT_EQ(summary_.moved_pages, 50u);
  EXPECT_EQ(kernel_.memory.reclaims, 0);
}

TEST_F(DamonMoverTest, WholeHugePagesMoveAndPartsAreScreened) {
  FillHugePages(kBase, 3);
  Migrate(ToNode1(kBase, 2 * core::kHugePagePages + 10));
  EXPECT_EQ(summary_.kernel_fidelity_pages, 2 * core::kHugePagePages);
  EXPECT_EQ(summary_.moved_pages, 2 * core::kHugePagePages + 10);
  EXPECT_EQ(summary_.companion_pages, core::kHugePagePages - 10);
}

TEST_F(DamonMoverTest, HugetlbPagesAreScreened) {
  FillHugePages(kBase, 1);
  FolioOf(kBase)->hugetlb = true;
  Migrate(ToNode1(kBase, core::kHugePagePages));
  ExpectScreened(core::kHugePagePages);
}

TEST_F(DamonMoverTest, ScatteredPagesAreScreened) {
  process_->Map(kBase, 100);
  for (uint64_t i = 0; i < 100; ++i) {
    process_->Put(kBase + i, kernel_.memory.Place(0));
    if (i % 2 == 1) kernel_.memory.Place(0);
  }
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
}

TEST_F(DamonMoverTest, OfManyExtentsTheLargestAreTaken) {
  process_->Map(kBase, 1500);
  uint64_t page = kBase;
  for (int extent = 0; extent < 300; ++extent) {
    kernel_.memory.Place(0);
    for (int i = 0; i < (extent < 150 ? 4 : 6); ++i) {
      process_->Put(page++, kernel_.memory.Place(0));
    }
  }
  Migrate(ToNode1(kBase, 1500));
  EXPECT_EQ(summary_.moved_pages, 1500u);
  EXPECT_EQ(summary_.kernel_fidelity_pages, 150u * 6 + 106u * 4);
}

TEST_F(DamonMoverTest, AnothersDamonIsLeftAlone) {
  FillPages(kBase, 100);
  const std::string count = absl::StrCat(FakeDamon::kRoot, "/nr_kdamonds");
  ASSERT_EQ(kernel_.damon.Write(count, "2"), 0);
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
  EXPECT_EQ(kernel_.damon.Read(count), "2");
}

TEST_F(DamonMoverTest, AKdamondThatNeverBeganCostsNoPage) {
  FillPages(kBase, 100);
  kernel_.damon.starts_late = true;
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
}

TEST_F(DamonMoverTest, WithoutVisibleFramesAllIsScreened) {
  HideFrames();
  FillPages(kBase, 100);
  Migrate(ToNode1(kBase, 100));
  ExpectScreened(100);
}

TEST_F(DamonMoverTest, AStopBeforeTheFirstApplicationLeavesAllPages) {
  FillPages(kBase, 100);
  kernel_.before_query = [this] {
    control_.RequestStop(StopReason::kCancelled);
  };
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.not_attempted_pages, 100u);
  EXPECT_THAT(kernel_.damon.tried, IsEmpty());
}

}  // namespace
}  // namespace pageferry::kernel
