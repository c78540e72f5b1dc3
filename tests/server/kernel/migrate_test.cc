// What becomes of each kind of page when it is asked to move.

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::NodeId;
using core::Outcome;
using core::Reason;
using core::StopReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class MigrateTest : public KernelTest {};

TEST_F(MigrateTest, MovesEveryPageThatCanMove) {
  FillPages(kBase, 1000);
  Migrate(ToNode1(kBase, 1000));
  EXPECT_EQ(summary_.moved_pages, 1000u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kCompleted);
  EXPECT_EQ(summary_.kernel_calls, 1u);
  EXPECT_EQ(summary_.passes, 1u);
  EXPECT_EQ(ResultOf(kBase + 7).source, NodeId(0));
  EXPECT_EQ(ResultOf(kBase + 7).node, NodeId(1));
  EXPECT_EQ(ResultOf(kBase + 7).folio_pages, 1u);
}

TEST_F(MigrateTest, PinnedPageAndHoleAmong4096LeaveTheOthersMoved) {
  FillPages(kBase, 4096);
  FolioOf(kBase + 1000)->pinned = true;
  process_->pages.erase(kBase + 2000);
  Migrate(ToNode1(kBase, 4096));
  EXPECT_EQ(summary_.moved_pages, 4094u);
  EXPECT_EQ(summary_.failed_pages, 2u);
  EXPECT_EQ(ReasonOf(kBase + 1000), Reason::kPinned);
  EXPECT_EQ(ReasonOf(kBase + 2000), Reason::kNotPresent);
  EXPECT_EQ(ResultOf(kBase + 1000).passes, options_.max_passes);
  EXPECT_EQ(ResultOf(kBase + 2000).passes, 1u);
}

TEST_F(MigrateTest, WithoutVisibleFramesAPinnedPageIsBusy) {
  HideFrames();
  FillPages(kBase, 8);
  FolioOf(kBase + 3)->pinned = true;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 7u);
  EXPECT_EQ(ReasonOf(kBase + 3), Reason::kBusy);
  EXPECT_EQ(ResultOf(kBase + 4).folio_pages, 0u);
}

TEST_F(MigrateTest, APageThatIsUnpinnedBetweenPassesMovesAndIsRecovered) {
  FillPages(kBase, 8);
  FolioOf(kBase + 3)->pinned = true;
  observer_.after_pass = [this](uint32_t pass) {
    if (pass == 1) FolioOf(kBase + 3)->pinned = false;
  };
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 8u);
  EXPECT_EQ(ResultOf(kBase + 3).passes, 3u);
  EXPECT_EQ(summary_.recovered[static_cast<size_t>(Reason::kPinned)], 1u);
  EXPECT_EQ(summary_.retried_pages, 2u);
}

TEST_F(MigrateTest, ManyPinnedPagesDoNotKeepTheirNeighbours) {
  FillPages(kBase, 4096);
  for (uint64_t i = 0; i < 4096; i += 16) FolioOf(kBase + i)->pinned = true;
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, 4096));
  EXPECT_EQ(summary_.moved_pages, 4096u - 256);
  EXPECT_EQ(Failures(Reason::kPinned), 256u);
}

TEST_F(MigrateTest, WhatLiesBehindAFailedRunMovesInTheSamePass) {
  FillPages(kBase, 100);
  FolioOf(kBase + 10)->pinned = true;
  // Freed after the look, it ends a run inside the call.
  kernel_.before_move = [this](int) { process_->pages.erase(kBase + 20); };
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 98u);
  EXPECT_EQ(summary_.kernel_calls, 2u);
  EXPECT_EQ(ReasonOf(kBase + 10), Reason::kPinned);
}

TEST_F(MigrateTest, PagesThatAreThereAlreadyAreNotCounted) {
  FillPages(kBase, 4, /*node=*/1);
  FillPages(kBase + 4, 4, /*node=*/0);
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.already_placed_pages, 4u);
  EXPECT_EQ(summary_.moved_pages, 4u);
  ASSERT_EQ(kernel_.moves.size(), 1u);
  EXPECT_THAT(kernel_.moves[0].pages,
              ElementsAre(kBase + 4, kBase + 5, kBase + 6, kBase + 7));
}

TEST_F(MigrateTest, WhatIsNotInMemoryFailsAtOnceWithItsReason) {
  FillPages(kBase, 5);
  process_->pages.erase(kBase + 1);
  process_->pages[kBase + 2] = FakePage();
  process_->pages[kBase + 2].swapped = true;
  FolioOf(kBase + 3)->zero = true;
  process_->Map(kBase + 8, 1, "rw-s", "/dev/mem");
  process_->mappings.back().device = true;
  Migrate(ToNode1(kBase, 7));
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kNotPresent);
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kSwappedOut);
  EXPECT_EQ(ReasonOf(kBase + 3), Reason::kZeroPage);
  EXPECT_EQ(ReasonOf(kBase + 5), Reason::kNotMapped);
  EXPECT_EQ(summary_.moved_pages, 2u);
  EXPECT_EQ(summary_.passes, 1u);
}

TEST_F(MigrateTest, ReasonsHoldWithoutVisibleFramesToo) {
  HideFrames();
  kernel_.behaviour.untouched_is_enoent = true;
  FillPages(kBase, 4);
  process_->pages.erase(kBase + 1);
  process_->pages[kBase + 2] = FakePage();
  process_->pages[kBase + 2].swapped = true;
  FolioOf(kBase + 3)->zero = true;
  Migrate(ToNode1(kBase, 5));
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kNotPresent);
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kSwappedOut);
  EXPECT_EQ(ReasonOf(kBase + 3), Reason::kZeroPage);
  EXPECT_EQ(ReasonOf(kBase + 4), Reason::kNotMapped);
}

TEST_F(MigrateTest, ThePageOfTheVdsoIsNotMovable) {
  process_->Map(kBase, 1, "r-xp", "[vdso]");
  FakeFolio* folio = kernel_.memory.Place(0);
  folio->anonymous = false;
  folio->lru = Lru::kIsolated;
  folio->mappers = 50;
  process_->Put(kBase, folio);
  Migrate(ToNode1(kBase, 1));
  EXPECT_EQ(ReasonOf(kBase), Reason::kNotMovable);
  EXPECT_EQ(summary_.passes, 1u);
  EXPECT_THAT(kernel_.moves, IsEmpty());
}

TEST_F(MigrateTest, DeviceMemoryIsNotMovable) {
  process_->Map(kBase, 1, "rw-s", "/dev/mem");
  process_->mappings.back().device = true;
  FakeFolio* folio = kernel_.memory.Place(0);
  folio->anonymous = false;
  process_->Put(kBase, folio);
  Migrate(ToNode1(kBase, 1));
  EXPECT_EQ(ReasonOf(kBase), Reason::kNotMovable);
}

TEST_F(MigrateTest, AddressesBeyondUserSpaceAreInvalidOrNotMapped) {
  const uint64_t kernel_page = uint64_t{1} << (56 - 12);
  const uint64_t far_page = uint64_t{1} << (48 - 12);
  Migrate(ToNode1(kernel_page, 1));
  EXPECT_EQ(ReasonOf(kernel_page), Reason::kInvalid);
  Migrate(ToNode1(far_page, 1));
  EXPECT_EQ(ReasonOf(far_page), Reason::kNotMapped);
}

TEST_F(MigrateTest, SharedPagesStayUnlessAskedFor) {
  FillPages(kBase, 4);
  FolioOf(kBase + 1)->mappers = 2;
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kShared);
  EXPECT_EQ(summary_.moved_pages, 3u);
  EXPECT_EQ(kernel_.moves[0].flags, kMovePagesExclusive);

  parameters_.move_shared = true;
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(OutcomeOf(kBase + 1), Outcome::kMoved);
  EXPECT_EQ(summary_.already_placed_pages, 3u);
  EXPECT_EQ(kernel_.moves.back().flags, kMovePagesAll);
}

TEST_F(MigrateTest, SharedPagesAreTriedLastInCallsOfTheirOwn) {
  FillPages(kBase, 6);
  FolioOf(kBase + 1)->mappers = 2;
  FolioOf(kBase + 4)->lru = Lru::kIsolated;
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, 6));
  ASSERT_EQ(kernel_.moves.size(), 2u);
  EXPECT_THAT(kernel_.moves[0].pages,
              ElementsAre(kBase, kBase + 2, kBase + 3, kBase + 5));
  EXPECT_THAT(kernel_.moves[1].pages, ElementsAre(kBase + 1, kBase + 4));
  EXPECT_EQ(ReasonOf(kBase + 4), Reason::kBusy);
}

TEST_F(MigrateTest, FreshPagesInCpuCachesMove) {
  FillPages(kBase, 32);
  for (uint64_t i = 0; i < 32; ++i) FolioOf(kBase + i)->lru = Lru::kInCache;
  Migrate(ToNode1(kBase, 32));
  EXPECT_EQ(summary_.moved_pages, 32u);
}

TEST_F(MigrateTest, MlockedFileAndWriteProtectedPagesMove) {
  process_->Map(kBase, 3, "r--p", "/lib/a b.so");
  for (uint64_t i = 0; i < 3; ++i) {
    process_->Put(kBase + i, kernel_.memory.Place(0));
  }
  FolioOf(kBase)->mlocked = true;
  FolioOf(kBase + 1)->anonymous = false;
  Migrate(ToNode1(kBase, 3));
  EXPECT_EQ(summary_.moved_pages, 3u);
}

TEST_F(MigrateTest, APageFreedDuringTheCallIsNotPresent) {
  FillPages(kBase, 4);
  kernel_.before_move = [this](int) { process_->pages.erase(kBase + 2); };
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kNotPresent);
  EXPECT_FALSE(ResultOf(kBase + 2).node.known());
  EXPECT_EQ(ResultOf(kBase + 2).source, NodeId(0));
  EXPECT_EQ(summary_.moved_pages, 3u);
}

TEST_F(MigrateTest, APageThatLooksSwappedWhileTheKernelMovesItIsLookedAtTwice) {
  FillPages(kBase, 4);
  FakePage& page = process_->pages[kBase + 1];
  page.swapped = true;
  // One query checks the access, one is the first look; by the second look the
  // kernel is done.
  int queries = 0;
  kernel_.before_query = [&] {
    if (++queries == 3) page.swapped = false;
  };
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(summary_.moved_pages, 4u);
}

TEST_F(MigrateTest, APageThatOnlyLookedSwappedWasOnItsDestinationAllAlong) {
  FillPages(kBase, 2, /*node=*/1);
  FakePage& page = process_->pages[kBase + 1];
  page.swapped = true;
  int queries = 0;
  kernel_.before_query = [&] {
    if (++queries == 3) page.swapped = false;
  };
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(summary_.already_placed_pages, 2u);
}

TEST_F(MigrateTest, WhatWasHiddenAtFirstAndIsThereInTheEndIsMoved) {
  kernel_.behaviour.hides_protected = true;
  FillPages(kBase, 2, /*node=*/1);
  process_->pages[kBase].numa_hint = true;
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(OutcomeOf(kBase), Outcome::kMoved);
  EXPECT_FALSE(ResultOf(kBase).source.known());
  EXPECT_EQ(OutcomeOf(kBase + 1), Outcome::kAlreadyPlaced);
  EXPECT_THAT(kernel_.moves, IsEmpty());
}

TEST_F(MigrateTest, StatusesThatTheKernelDoesNotWriteAreCounted) {
  FillPages(kBase, 8);
  FolioOf(kBase + 3)->pinned = true;
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 7u);
  EXPECT_EQ(summary_.status_missing, 7u);
  EXPECT_EQ(summary_.status_wrong, 0u);
  EXPECT_EQ(summary_.kernel_calls, kernel_.moves.size());
}

TEST_F(MigrateTest, AStatusThatTheLookContradictsIsCountedAsWrong) {
  FillPages(kBase, 2);
  FolioOf(kBase + 1)->lru = Lru::kIsolated;
  kernel_.after_move = [this](int number) {
    // Whoever had isolated it was moving it.
    if (number == 1) kernel_.memory.Migrate(FolioOf(kBase + 1), 1);
  };
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(summary_.moved_pages, 2u);
  EXPECT_EQ(summary_.status_wrong, 1u);
}

TEST_F(MigrateTest, KernelsThatForgetTheLastRunsFailureAreNotBelieved) {
  kernel_.behaviour.forgets_last_run = true;
  FillPages(kBase, 8);
  FolioOf(kBase + 3)->pinned = true;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 7u);
  EXPECT_EQ(ReasonOf(kBase + 3), Reason::kPinned);
}

TEST_F(MigrateTest, CancelBetweenCallsLeavesTheRestUntouched) {
  parameters_.mode = core::Mode::kAsync;
  kernel_.call_cost = absl::Milliseconds(2);
  FillPages(kBase, 640);
  kernel_.after_move = [this](int number) {
    if (number == 2) control_.RequestStop(StopReason::kCancelled);
  };
  Migrate(ToNode1(kBase, 640));
  EXPECT_EQ(kernel_.moves.size(), 3u);
  EXPECT_EQ(summary_.moved_pages, 192u);
  EXPECT_EQ(NotAttempted(Reason::kCancelled), 640u - 192);
  EXPECT_EQ(process_->NodeOf(kBase + 192), 0);
  EXPECT_EQ(summary_.stop_reason, StopReason::kCancelled);
}

TEST_F(MigrateTest, LeavesNoDescriptorOpen) {
  FillPages(kBase, 4);
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

}  // namespace
}  // namespace pageferry::kernel
