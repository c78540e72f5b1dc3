// How calls are cut and what modes may wait for.

#include <algorithm>

#include "gmock/gmock.h"
#include "server/kernel/call_size.h"
#include "server/kernel/screen.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Mode;
using core::Outcome;
using core::Reason;
using ::testing::Each;
using ::testing::Ge;
using ::testing::IsEmpty;
using ::testing::Le;

class CallTest : public KernelTest {
 protected:
  std::vector<size_t> CallSizes() const {
    std::vector<size_t> sizes;
    for (const MoveCall& call : kernel_.moves) {
      sizes.push_back(call.pages.size());
    }
    return sizes;
  }
};

TEST_F(CallTest, SyncCallsHaveUpTo4096Pages) {
  FillPages(kBase, 10'000);
  Migrate(ToNode1(kBase, 10'000));
  EXPECT_THAT(CallSizes(), testing::ElementsAre(4096, 4096, 10'000 - 8192));
}

TEST_F(CallTest, AsyncCallsBeginSmallAndGrowWhileTheyAreQuick) {
  parameters_.mode = Mode::kAsync;
  kernel_.page_cost = absl::Microseconds(1);
  FillPages(kBase, 4000);
  Migrate(ToNode1(kBase, 4000));
  const std::vector<size_t> sizes = CallSizes();
  EXPECT_EQ(sizes.front(), 64u);
  EXPECT_EQ(*std::max_element(sizes.begin(), sizes.end()), 512u);
  EXPECT_EQ(summary_.moved_pages, 4000u);
}

TEST_F(CallTest, AsyncCallsStayNearTheirAim) {
  parameters_.mode = Mode::kAsync;
  kernel_.page_cost = absl::Microseconds(20);  // 100 pages in 2 ms
  FillPages(kBase, 4000);
  Migrate(ToNode1(kBase, 4000));
  EXPECT_THAT(CallSizes(), Each(Le(101u)));
  EXPECT_LE(summary_.longest_kernel_call, absl::Milliseconds(2.1));
  EXPECT_EQ(summary_.kernel_calls, kernel_.moves.size());
}

TEST_F(CallTest, SlowAsyncCallsNeverShrinkBelow64Pages) {
  parameters_.mode = Mode::kAsync;
  kernel_.page_cost = absl::Milliseconds(1);
  FillPages(kBase, 640);
  Migrate(ToNode1(kBase, 640));
  EXPECT_THAT(CallSizes(), Each(64u));
  EXPECT_EQ(summary_.longest_kernel_call, absl::Milliseconds(64));
}

TEST_F(CallTest, SyncLightCallsHaveUpTo512PagesAndShrinkWhenSlow) {
  parameters_.mode = Mode::kSyncLight;
  kernel_.page_cost = absl::Microseconds(100);  // 200 pages in 20 ms
  FillPages(kBase, 4096);
  Migrate(ToNode1(kBase, 4096));
  const std::vector<size_t> sizes = CallSizes();
  EXPECT_EQ(sizes.front(), 512u);
  EXPECT_LT(sizes[sizes.size() - 3], 260u);
  EXPECT_THAT(sizes, Each(Ge(1u)));
}

TEST(CallSizeTest, CallsThatWereMuchSmallerTeachNothing) {
  CallSize size(Mode::kAsync);
  size.Observe(/*pages=*/3, absl::Nanoseconds(1));
  EXPECT_EQ(size.pages(), 64u);
  size.Observe(64, absl::Nanoseconds(1));
  EXPECT_EQ(size.pages(), 512u);
}

TEST(CallSizeTest, SyncHasNoAim) {
  CallSize size(Mode::kSync);
  size.Observe(4096, absl::Hours(1));
  EXPECT_EQ(size.pages(), 4096u);
}

PageView ViewWithFlags(uint64_t flags, bool exclusive = true) {
  PageView view;
  view.node = core::NodeId(0);
  view.entry =
      PagemapEntry(uint64_t{1} << 63 | uint64_t{exclusive} << 56 | 12345);
  view.folio = FolioState();
  view.folio->flags = FrameFlags(flags);
  return view;
}

constexpr uint64_t kLocked = 1;
constexpr uint64_t kOnLru = 1 << 5;
constexpr uint64_t kWriteback = 1 << 8;
constexpr uint64_t kHugetlb = 1 << 17;

TEST(ScreenTest, LockedPagesAreHeldBackUntilTheModeMayWait) {
  const PageView view = ViewWithFlags(kLocked | kOnLru);
  for (const Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    const ScreenDecision first = Screen(mode, /*forced=*/false, false, view);
    EXPECT_EQ(first.screening, Screening::kHoldBack);
    EXPECT_EQ(first.reason, Reason::kLocked);
  }
  EXPECT_EQ(Screen(Mode::kAsync, true, false, view).screening,
            Screening::kHoldBack);
  EXPECT_EQ(Screen(Mode::kSyncLight, true, false, view).screening,
            Screening::kSubmitAlone);
  EXPECT_EQ(Screen(Mode::kSync, true, false, view).screening,
            Screening::kSubmitAlone);
}

TEST(ScreenTest, WritebackFailsUnlessSync) {
  const PageView view = ViewWithFlags(kWriteback | kOnLru);
  for (const bool forced : {false, true}) {
    for (const Mode mode : {Mode::kAsync, Mode::kSyncLight}) {
      const ScreenDecision decision = Screen(mode, forced, false, view);
      EXPECT_EQ(decision.screening, Screening::kFail);
      EXPECT_EQ(decision.reason, Reason::kWriteback);
    }
  }
  EXPECT_EQ(Screen(Mode::kSync, false, false, view).screening,
            Screening::kHoldBack);
  EXPECT_EQ(Screen(Mode::kSync, true, false, view).screening,
            Screening::kSubmitAlone);
}

TEST(ScreenTest, WhatMerelyMayFailGoesLast) {
  const auto screening = [](bool move_shared, const PageView& view) {
    return Screen(Mode::kAsync, false, move_shared, view).screening;
  };
  const PageView shared = ViewWithFlags(kOnLru, /*exclusive=*/false);
  EXPECT_EQ(screening(false, shared), Screening::kSubmitLast);
  EXPECT_EQ(screening(true, shared), Screening::kSubmit);
  EXPECT_EQ(screening(false, ViewWithFlags(0)), Screening::kSubmitLast);
  EXPECT_EQ(screening(false, ViewWithFlags(kHugetlb)), Screening::kSubmit);
  EXPECT_EQ(screening(false, ViewWithFlags(kOnLru)), Screening::kSubmit);
}

TEST_F(CallTest, AsyncNeverWaitsForALock) {
  parameters_.mode = Mode::kAsync;
  FillPages(kBase, 4);
  FolioOf(kBase + 1)->locked = true;
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kLocked);
  EXPECT_EQ(ResultOf(kBase + 1).passes, 10u);
  EXPECT_EQ(summary_.moved_pages, 3u);
  EXPECT_EQ(kernel_.memory.waits, 0);
}

TEST_F(CallTest, AsyncMovesAPageThatIsUnlockedInTime) {
  parameters_.mode = Mode::kAsync;
  FillPages(kBase, 4);
  FolioOf(kBase + 1)->locked = true;
  observer_.after_pass = [this](uint32_t pass) {
    if (pass == 4) FolioOf(kBase + 1)->locked = false;
  };
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(OutcomeOf(kBase + 1), Outcome::kMoved);
  EXPECT_EQ(ResultOf(kBase + 1).passes, 6u);
  EXPECT_EQ(kernel_.memory.waits, 0);
}

TEST_F(CallTest, SyncLightWaitsForALockInTheFirstForcedPassAlone) {
  parameters_.mode = Mode::kSyncLight;
  FillPages(kBase, 4);
  FolioOf(kBase + 1)->locked = true;
  FolioOf(kBase + 2)->locked = true;
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(OutcomeOf(kBase + 1), Outcome::kMoved);
  EXPECT_EQ(ResultOf(kBase + 1).passes, 4u);
  EXPECT_EQ(kernel_.memory.waits, 2);
  EXPECT_THAT(CallSizes(), testing::ElementsAre(2, 1, 1));
}

TEST_F(CallTest, SyncLightFailsWritebackAtOnce) {
  parameters_.mode = Mode::kSyncLight;
  FillPages(kBase, 2);
  FolioOf(kBase)->writeback = true;
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(ReasonOf(kBase), Reason::kWriteback);
  EXPECT_EQ(ResultOf(kBase).passes, 1u);
  EXPECT_EQ(kernel_.memory.waits, 0);
}

TEST_F(CallTest, SyncWaitsForWritebackInTheFirstForcedPass) {
  FillPages(kBase, 2);
  FolioOf(kBase)->writeback = true;
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(OutcomeOf(kBase), Outcome::kMoved);
  EXPECT_EQ(ResultOf(kBase).passes, 4u);
  EXPECT_EQ(kernel_.memory.waits, 1);
}

TEST_F(CallTest, TheLastOfFewPassesIsForced) {
  options_.max_passes = 2;
  FillPages(kBase, 1);
  FolioOf(kBase)->locked = true;
  Migrate(ToNode1(kBase, 1));
  EXPECT_EQ(OutcomeOf(kBase), Outcome::kMoved);
  EXPECT_EQ(ResultOf(kBase).passes, 2u);
}

TEST_F(CallTest, TheLockOfAHugePageIsSeenByItsTails) {
  parameters_.mode = Mode::kAsync;
  FillHugePages(kBase, 1);
  FolioOf(kBase)->locked = true;
  Migrate(ToNode1(kBase + 5, 3));
  EXPECT_EQ(Failures(Reason::kLocked), 3u);
  EXPECT_EQ(kernel_.memory.waits, 0);
  EXPECT_THAT(kernel_.moves, IsEmpty());
}

TEST_F(CallTest, TheTimeBudgetEndsBetweenCalls) {
  core::MigrationControl* control = &control_;
  parameters_.mode = Mode::kAsync;
  kernel_.call_cost = absl::Seconds(1);
  kernel_.after_move = [control](int number) {
    if (number == 1) control->RequestStop(core::StopReason::kTimeBudget);
  };
  FillPages(kBase, 300);
  Migrate(ToNode1(kBase, 300));
  EXPECT_EQ(summary_.moved_pages, 128u);
  EXPECT_EQ(NotAttempted(Reason::kTimeBudget), 172u);
  EXPECT_EQ(summary_.longest_kernel_call, absl::Seconds(1));
}

}  // namespace
}  // namespace pageferry::kernel
