// Huge pages: what the kernel moves as one.

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::PageList;
using core::Reason;
using core::VirtualAddress;
using ::testing::ElementsAre;
using ::testing::SizeIs;

constexpr uint64_t kHuge = core::kHugePagePages;

class FolioTest : public KernelTest {
 protected:
  // A huge page of hugetlbfs.
  void FillHugetlb(uint64_t first) {
    FillHugePages(first, 1);
    FolioOf(first)->hugetlb = true;
  }

  static PageList Build(PageList::Builder builder) {
    absl::optional<core::PlacementConflict> conflict;
    PageList list = std::move(builder).Build(&conflict);
    EXPECT_FALSE(conflict.has_value());
    return list;
  }
};

// With frames visible, and in the daemon's default profile.
class AnyFolioTest : public FolioTest,
                     public ::testing::WithParamInterface<bool> {
 protected:
  AnyFolioTest() {
    if (!GetParam()) HideFrames();
  }
};

INSTANTIATE_TEST_SUITE_P(Frames, AnyFolioTest, ::testing::Bool(),
                         [](const auto& visible) {
                           return visible.param ? "Visible" : "Hidden";
                         });

TEST_P(AnyFolioTest, AHugePageAsked512TimesIsSubmittedOnce) {
  FillHugePages(kBase, 1);
  Migrate(ToNode1(kBase, kHuge));
  ASSERT_THAT(kernel_.moves, SizeIs(1));
  EXPECT_THAT(kernel_.moves[0].pages, ElementsAre(kBase));
  EXPECT_EQ(summary_.moved_pages, kHuge);
  EXPECT_EQ(summary_.companion_pages, 0u);
  EXPECT_EQ(ResultOf(kBase + 511).folio_pages, kHuge);
  EXPECT_EQ(summary_.moved_bytes(), uint64_t{2} << 20);
}

TEST_P(AnyFolioTest, ATailAloneTakesItsCompanionsAlong) {
  FillHugePages(kBase, 1);
  Migrate(ToNode1(kBase + 77, 1));
  EXPECT_EQ(summary_.moved_pages, 1u);
  EXPECT_EQ(summary_.companion_pages, 511u);
  EXPECT_EQ(ResultOf(kBase + 77).folio_pages, kHuge);
}

TEST_F(FolioTest, AHugePageInTwoPlacesIsCountedOnce) {
  parameters_.mode = Mode::kAsync;  // whose calls take one of the places
  FillHugePages(kBase, 1);
  // As mremap(2) leaves it: the second half lies elsewhere.
  constexpr uint64_t kElsewhere = kBase + 10'000;
  process_->Map(kElsewhere, 256);
  for (uint64_t i = 0; i < 256; ++i) {
    process_->pages[kElsewhere + i] = process_->pages.at(kBase + 256 + i);
    process_->pages.erase(kBase + 256 + i);
  }
  PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(kBase), 200);
  builder.AddRange(VirtualAddress::OfPage(kElsewhere), 256);
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(summary_.moved_pages, 456u);
  EXPECT_EQ(summary_.companion_pages, 56u);
  EXPECT_EQ(summary_.moved_bytes(), uint64_t{2} << 20);
}

TEST_F(FolioTest, TheLastPartOfAHugePageAtALowAddressMoves) {
  FakeFolio* folio = kernel_.memory.Place(0, kHuge);
  process_->Map(16, 100);  // the lowest page that a process may map
  for (uint32_t i = 0; i < 100; ++i) {
    process_->pages[16 + i] = {folio, static_cast<uint32_t>(kHuge - 100 + i)};
  }
  Migrate(ToNode1(16, 100));
  EXPECT_EQ(summary_.moved_pages, 100u);
  EXPECT_EQ(summary_.companion_pages, kHuge - 100);
  EXPECT_EQ(summary_.moved_bytes(), uint64_t{2} << 20);
}

TEST_P(AnyFolioTest, TheTailOfAHugetlbPageSubmitsItsHead) {
  kernel_.behaviour.refuses_hugetlb_tails = true;
  FillHugetlb(kBase);
  Migrate(ToNode1(kBase + 77, 2));
  EXPECT_EQ(summary_.moved_pages, 2u);
  EXPECT_EQ(summary_.companion_pages, 510u);
  ASSERT_THAT(kernel_.moves, SizeIs(1));
  EXPECT_THAT(kernel_.moves[0].pages, ElementsAre(kBase));
}

TEST_P(AnyFolioTest, AFolioAcrossBatchesIsMovedInBoth) {
  parameters_.mode = Mode::kAsync;
  FillHugePages(kBase, 2);
  // Batches of 512 pages: the first has the second half of one huge page and
  // the first half of the next.
  Migrate(ToNode1(kBase + 256, 768));
  EXPECT_EQ(summary_.moved_pages, 768u);
  EXPECT_EQ(summary_.already_placed_pages, 0u);
  EXPECT_EQ(summary_.companion_pages, 256u);
  EXPECT_EQ(ResultOf(kBase + 1023).source, NodeId(0));
}

TEST_P(AnyFolioTest, AFolioAskedToTwoDestinationsGoesWhereTheFirstSendsIt) {
  kernel_.memory.AddNode(2, 100'000);
  process_->allowed_nodes.insert(2);
  kernel_.own()->allowed_nodes.insert(2);
  FillHugePages(kBase, 1);
  PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 100), 10);
  builder.StartEntry({{NodeId(2)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 110), 20);
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(summary_.moved_pages, 10u);
  EXPECT_EQ(Failures(Reason::kFolioConflict), 20u);
  EXPECT_EQ(summary_.companion_pages, 512u - 30);
  EXPECT_EQ(process_->NodeOf(kBase), 1);
}

TEST_F(FolioTest, PagesBetweenThoseOfAMovedFolioDidNotComeWithIt) {
  // The loop takes up 4,096 runs at a time, so this huge page comes in two
  // batches.
  const uint64_t before = kBase - 16 * kHuge;
  FillPages(before, 8000, /*node=*/1);
  FillHugePages(kBase, 1);
  // The owner gave up some pages of it and has others there since.
  for (const uint64_t page : {100, 300, 302}) {
    process_->Put(kBase + page, kernel_.memory.Place(1));
  }
  PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  for (uint64_t i = 0; i < 4000; ++i) {
    builder.AddAddress(VirtualAddress::OfPage(before + 2 * i));
  }
  for (uint64_t i = 0; i < kHuge / 2; ++i) {
    builder.AddAddress(VirtualAddress::OfPage(kBase + 2 * i));
  }
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(OutcomeOf(kBase + 100), Outcome::kAlreadyPlaced);
  EXPECT_EQ(OutcomeOf(kBase + 300), Outcome::kAlreadyPlaced);
  EXPECT_EQ(OutcomeOf(kBase + 302), Outcome::kAlreadyPlaced);
  EXPECT_EQ(OutcomeOf(kBase + 304), Outcome::kMoved);
  EXPECT_EQ(ResultOf(kBase + 304).source, NodeId(0));
  EXPECT_EQ(summary_.moved_pages, kHuge / 2 - 3);
  EXPECT_EQ(kernel_.moves.size(), 1u);
}

TEST_F(FolioTest, PagesBetweenThoseOfAMovedFolioGoTheirOwnWay) {
  FillHugePages(kBase, 1);
  process_->Put(kBase + 300, kernel_.memory.Place(1));
  PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(kBase), 10);
  builder.StartEntry({{NodeId(0)}});
  builder.AddAddress(VirtualAddress::OfPage(kBase + 300));
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(OutcomeOf(kBase + 300), Outcome::kMoved);
  EXPECT_EQ(process_->NodeOf(kBase + 299), 1);
  EXPECT_EQ(process_->NodeOf(kBase + 300), 0);
}

TEST_F(FolioTest, PagesWhoseFolioIsSentAwayAreNotCalledPlaced) {
  FillHugePages(kBase, 1);
  FillPages(kBase + kHuge, 1);
  PageList::Builder builder;
  builder.StartEntry({{NodeId(0)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + kHuge), 1);
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 100), 10);
  // These are where they are asked to be, until their folio leaves.
  builder.StartEntry({{NodeId(0)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 110), 20);
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(summary_.moved_pages, 10u);
  EXPECT_EQ(summary_.already_placed_pages, 1u);
  EXPECT_EQ(Failures(Reason::kFolioConflict), 20u);
  EXPECT_EQ(ResultOf(kBase + 110).node, NodeId(1));
}

TEST_F(FolioTest, PagesWhoseFolioMayStillGoAwayAreSaidToBeNowhere) {
  options_.max_passes = 1;
  FillHugePages(kBase, 1);
  FillPages(kBase + kHuge, 1);
  PageList::Builder builder;
  builder.StartEntry({{NodeId(0)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + kHuge), 1);
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 100), 10);
  builder.StartEntry({{NodeId(0)}});
  builder.AddRange(VirtualAddress::OfPage(kBase + 110), 20);
  Migrate(Build(std::move(builder)));
  EXPECT_EQ(Failures(Reason::kFolioConflict), 20u);
  EXPECT_FALSE(ResultOf(kBase + 110).node.known());
}

TEST_P(AnyFolioTest, BasePagesInAMappingWithHugePagesMove) {
  FillHugePages(kBase, 2);
  // The second half of the mapping was split into base pages.
  FakeFolio* folio = FolioOf(kBase + kHuge);
  const std::vector<FakeFolio*> parts = kernel_.memory.Split(folio);
  for (uint64_t i = 0; i < kHuge; ++i) {
    process_->Put(kBase + kHuge + i, parts[i]);
  }
  Migrate(ToNode1(kBase, 2 * kHuge));
  EXPECT_EQ(summary_.moved_pages, 2 * kHuge);
  EXPECT_LE(summary_.kernel_calls, 2u);
}

TEST_P(AnyFolioTest, ABasePageThatCannotMoveDoesNotKeepItsBlock) {
  FillHugePages(kBase, 2);
  const std::vector<FakeFolio*> parts =
      kernel_.memory.Split(FolioOf(kBase + kHuge));
  for (uint64_t i = 0; i < kHuge; ++i) {
    process_->Put(kBase + kHuge + i, parts[i]);
  }
  parts[0]->mappers = 2;  // shared, and left
  parts[20]->pinned = true;
  Migrate(ToNode1(kBase, 2 * kHuge));
  EXPECT_EQ(summary_.moved_pages, 2 * kHuge - 2);
  EXPECT_EQ(ReasonOf(kBase + kHuge), Reason::kShared);
}

TEST_P(AnyFolioTest, ABlockWhoseFirstPageIsPinnedMovesAllTheSame) {
  FillHugePages(kBase, 2);
  const std::vector<FakeFolio*> parts =
      kernel_.memory.Split(FolioOf(kBase + kHuge));
  for (uint64_t i = 0; i < kHuge; ++i) {
    process_->Put(kBase + kHuge + i, parts[i]);
  }
  parts[0]->pinned = true;
  Migrate(ToNode1(kBase, 2 * kHuge));
  EXPECT_EQ(summary_.moved_pages, 2 * kHuge - 1);
  EXPECT_LE(summary_.kernel_calls, 20u);
}

TEST_P(AnyFolioTest, ABlockWithOneFailureBehindItsFirstPageMovesInOnePass) {
  FillHugePages(kBase, 1);
  FillPages(kBase + kHuge, 8);
  const std::vector<FakeFolio*> parts = kernel_.memory.Split(FolioOf(kBase));
  for (uint64_t i = 0; i < kHuge; ++i) process_->Put(kBase + i, parts[i]);
  // One huge page is left in the mapping, and a pin fails the whole run.
  FillHugePages(kBase + 2 * kHuge, 1);
  process_->mappings.clear();
  process_->Map(kBase, 3 * kHuge);
  FolioOf(kBase + kHuge + 3)->pinned = true;
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, kHuge + 8));
  EXPECT_EQ(summary_.moved_pages, kHuge + 7);
}

TEST_P(AnyFolioTest, APinnedHugePageFailsAsAWhole) {
  FillHugePages(kBase, 1);
  FillPages(kBase + kHuge, 8);
  FolioOf(kBase)->pinned = true;
  Migrate(ToNode1(kBase, kHuge + 8));
  EXPECT_EQ(summary_.moved_pages, 8u);
  EXPECT_EQ(Failures(GetParam() ? Reason::kPinned : Reason::kBusy), kHuge);
}

TEST_P(AnyFolioTest, ASharedHugePageIsShared) {
  FillHugePages(kBase, 1);
  FolioOf(kBase)->mappers = 2;
  Migrate(ToNode1(kBase, kHuge));
  EXPECT_EQ(Failures(Reason::kShared), kHuge);
}

TEST_P(AnyFolioTest, AHugePageThatWasThereIsAlreadyPlaced) {
  FillHugePages(kBase, 1, /*node=*/1);
  Migrate(ToNode1(kBase, kHuge));
  EXPECT_EQ(summary_.already_placed_pages, kHuge);
  EXPECT_EQ(summary_.kernel_calls, 0u);
}

TEST_F(FolioTest, AProfileThatMayOpenKpageflagsButSeesNoFramesReadsSmaps) {
  // uid 0 without CAP_SYS_ADMIN: kpageflags opens, pagemap hides frames.
  HideFrames();
  ASSERT_TRUE(kernel_.frame_files_open);
  kernel_.behaviour.refuses_hugetlb_tails = true;
  FillHugetlb(kBase);
  Migrate(ToNode1(kBase + 3, 1));
  EXPECT_EQ(OutcomeOf(kBase + 3), Outcome::kMoved);
}

TEST_F(FolioTest, AHiddenHugePageThatMovesAtTheSecondAttemptIsMovedWhole) {
  HideFrames();
  FillHugePages(kBase, 1);
  FolioOf(kBase)->pinned = true;
  kernel_.after_move = [this](int) { FolioOf(kBase)->pinned = false; };
  options_.max_passes = 1;
  Migrate(ToNode1(kBase, kHuge));
  EXPECT_EQ(summary_.moved_pages, kHuge);
  EXPECT_EQ(summary_.kernel_calls, 2u);
}

TEST_F(FolioTest, AHugePageLargerThanABatchIsMovedInAllOfThem) {
  HideFrames();
  parameters_.mode = Mode::kAsync;
  process_->Map(kBase, 4 * kHuge);
  FakeFolio* folio = kernel_.memory.Place(0, 4 * kHuge);
  folio->hugetlb = true;
  process_->Put(kBase, folio);
  Migrate(ToNode1(kBase + 1, 4 * kHuge - 1));
  EXPECT_EQ(summary_.moved_pages, 4 * kHuge - 1);
  EXPECT_EQ(summary_.companion_pages, 1u);
  EXPECT_EQ(summary_.kernel_calls, 1u);
  EXPECT_EQ(ResultOf(kBase + 3 * kHuge).source, NodeId(0));
}

TEST_F(FolioTest, APinnedHugetlbPageIsPinned) {
  FillHugetlb(kBase);
  FolioOf(kBase)->pinned = true;
  Migrate(ToNode1(kBase, kHuge));
  EXPECT_EQ(Failures(Reason::kPinned), kHuge);
}

TEST_F(FolioTest, ACancelLeavesNoHalfOfAHugePageUntold) {
  // Held back until it may be waited for, so that its place has been seen.
  parameters_.mode = Mode::kSyncLight;
  FillHugePages(kBase, 5);
  for (uint64_t i = 0; i < 5; ++i) FolioOf(kBase + i * kHuge)->locked = true;
  kernel_.after_move = [this](int number) {
    if (number == 4) control_.RequestStop(core::StopReason::kCancelled);
  };
  // A batch of 2,048 pages would end inside the fifth huge page, where the list
  // has a gap.
  const uint64_t gap = kBase + 100 + 2048;
  const uint64_t end = kBase + 5 * kHuge;
  Migrate(core::ListOf({{VirtualAddress::OfPage(kBase + 100), 2048},
                        {VirtualAddress::OfPage(gap + 1), end - gap - 1}},
                       {NodeId(1)}));
  EXPECT_EQ(summary_.moved_pages, 5 * kHuge - 101);
  EXPECT_EQ(summary_.companion_pages, 101u);
}

TEST_F(FolioTest, SmallFoliosAreMeasuredAndMovedWhole) {
  process_->Map(kBase, 64);
  for (uint64_t i = 0; i < 4; ++i) {
    process_->Put(kBase + i * 16, kernel_.memory.Place(0, 16));
  }
  Migrate(ToNode1(kBase + 8, 40));
  EXPECT_EQ(summary_.moved_pages, 40u);
  EXPECT_EQ(summary_.companion_pages, 8u);
  EXPECT_EQ(ResultOf(kBase + 20).folio_pages, 16u);
  EXPECT_THAT(kernel_.moves[0].pages,
              ElementsAre(kBase + 8, kBase + 16, kBase + 32));
}

TEST_F(FolioTest, AHugePageThatWasSplitBeforeTheCallMovesInTheNextPass) {
  FillHugePages(kBase, 1);
  kernel_.before_move = [this](int number) {
    if (number != 0) return;
    const std::vector<FakeFolio*> parts = kernel_.memory.Split(FolioOf(kBase));
    for (uint64_t i = 0; i < kHuge; ++i) process_->Put(kBase + i, parts[i]);
  };
  Migrate(ToNode1(kBase, kHuge));
  EXPECT_EQ(summary_.moved_pages, kHuge);
  EXPECT_EQ(summary_.passes, 2u);
  EXPECT_EQ(ResultOf(kBase).passes, 1u);
}

}  // namespace
}  // namespace pageferry::kernel
