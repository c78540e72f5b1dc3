// Pages behind NUMA hints and PROT_NONE.

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::NodeId;
using core::Outcome;
using core::Reason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class HintTest : public KernelTest {
 protected:
  // `count` pages behind NUMA hints.
  void FillHinted(uint64_t count) {
    FillPages(kBase, count);
    for (uint64_t i = 0; i < count; ++i) {
      process_->pages[kBase + i].numa_hint = true;
    }
  }
};

TEST_F(HintTest, OldKernelsGetTheirHintsTakenAwayAndThePagesMove) {
  kernel_.behaviour.hides_protected = true;
  FillHinted(2000);
  Migrate(ToNode1(kBase, 2000));
  EXPECT_EQ(summary_.moved_pages, 2000u);
  EXPECT_THAT(kernel_.touched, SizeIs(2000));
  EXPECT_EQ(ResultOf(kBase).source, NodeId(0));
}

TEST_F(HintTest, NewKernelsLookThroughHintsAndNothingIsTouched) {
  FillHinted(100);
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 100u);
  EXPECT_THAT(kernel_.touched, IsEmpty());
}

TEST_F(HintTest, SharedPagesAreNeverTouchedForItWouldCopyThem) {
  kernel_.behaviour.hides_protected = true;
  parameters_.move_shared = true;
  FillHinted(3);
  FolioOf(kBase + 1)->mappers = 2;
  Migrate(ToNode1(kBase, 3));
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kNumaHint);
  EXPECT_EQ(summary_.moved_pages, 2u);
  EXPECT_THAT(kernel_.touched, ElementsAre(kBase, kBase + 2));
  EXPECT_THAT(kernel_.copied, IsEmpty());
}

TEST_F(HintTest, AHintThatTheOwnerTakesAwayBetweenPassesLetsASharedPageMove) {
  kernel_.behaviour.hides_protected = true;
  parameters_.move_shared = true;
  FillHinted(1);
  FolioOf(kBase)->mappers = 2;
  observer_.after_pass = [this](uint32_t) {
    process_->pages[kBase].numa_hint = false;
  };
  Migrate(ToNode1(kBase, 1));
  EXPECT_EQ(OutcomeOf(kBase), Outcome::kMoved);
  EXPECT_EQ(summary_.recovered[static_cast<size_t>(Reason::kNumaHint)], 1u);
}

TEST_F(HintTest, ProtNonePagesAreUnsupportedOnOldKernelsAndNotTouched) {
  kernel_.behaviour.hides_protected = true;
  FillPages(kBase, 2);
  process_->mappings[0].permissions = "---p";
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(Failures(Reason::kUnsupported), 2u);
  EXPECT_THAT(kernel_.touched, IsEmpty());
  EXPECT_THAT(kernel_.moves, IsEmpty());
}

TEST_F(HintTest, ProtNonePagesMoveOnNewKernels) {
  FillPages(kBase, 2);
  process_->mappings[0].permissions = "---p";
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(summary_.moved_pages, 2u);
}

TEST_F(HintTest, APageThatCannotBeReadDoesNotKeepTheOthersHidden) {
  kernel_.behaviour.hides_protected = true;
  FillHinted(5);
  // Unmapped between look and touch; the look again then finds it gone.
  kernel_.before_touch = [this] {
    process_->pages.erase(kBase + 2);
    process_->mappings.clear();
    process_->Map(kBase, 2);
    process_->Map(kBase + 3, 2);
  };
  Migrate(ToNode1(kBase, 5));
  EXPECT_EQ(summary_.moved_pages, 4u);
  EXPECT_EQ(ResultOf(kBase + 4).passes, 1u);
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kNotMapped);
}

TEST_F(HintTest, AHintThatComesBackBeforeTheCallIsTriedAgain) {
  kernel_.behaviour.hides_protected = true;
  FillHinted(2);
  kernel_.before_move = [this](int number) {
    if (number == 0) process_->pages[kBase].numa_hint = true;
  };
  Migrate(ToNode1(kBase, 2));
  EXPECT_EQ(summary_.moved_pages, 2u);
  EXPECT_EQ(ResultOf(kBase).passes, 2u);
}

class DryRunTest : public HintTest {
 protected:
  DryRunTest() { parameters_.validate_only = true; }
};

TEST_F(DryRunTest, MakesNoMovingAndNoTouchingCall) {
  kernel_.behaviour.hides_protected = true;
  FillHinted(10);
  FillPages(kBase + 10, 10);
  FillPages(kBase + 20, 10, /*node=*/1);
  process_->pages.erase(kBase + 15);
  Migrate(ToNode1(kBase, 30));
  EXPECT_EQ(summary_.would_move_pages, 19u);
  EXPECT_EQ(summary_.already_placed_pages, 10u);
  EXPECT_EQ(ReasonOf(kBase + 15), Reason::kNotPresent);
  EXPECT_THAT(kernel_.moves, IsEmpty());
  EXPECT_THAT(kernel_.touched, IsEmpty());
  EXPECT_EQ(summary_.kernel_calls, 0u);
}

TEST_F(DryRunTest, ForeseesWhatTheModeFailsAndWhatIsShared) {
  parameters_.mode = core::Mode::kAsync;
  FillPages(kBase, 4);
  FolioOf(kBase)->writeback = true;
  FolioOf(kBase + 1)->mappers = 3;
  FolioOf(kBase + 2)->locked = true;
  Migrate(ToNode1(kBase, 4));
  EXPECT_EQ(ReasonOf(kBase), Reason::kWriteback);
  EXPECT_EQ(ReasonOf(kBase + 1), Reason::kShared);
  EXPECT_EQ(OutcomeOf(kBase + 2), Outcome::kWouldMove);
  EXPECT_EQ(OutcomeOf(kBase + 3), Outcome::kWouldMove);
  EXPECT_EQ(summary_.passes, 1u);
}

TEST_F(DryRunTest, ForeseesFolioConflicts) {
  kernel_.memory.AddNode(2, 1000);
  process_->allowed_nodes.insert(2);
  kernel_.own()->allowed_nodes.insert(2);
  FillHugePages(kBase, 1);
  core::PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddAddress(core::VirtualAddress::OfPage(kBase + 1));
  builder.StartEntry({{NodeId(2)}});
  builder.AddAddress(core::VirtualAddress::OfPage(kBase + 2));
  absl::optional<core::PlacementConflict> conflict;
  Migrate(std::move(builder).Build(&conflict));
  EXPECT_EQ(OutcomeOf(kBase + 1), Outcome::kWouldMove);
  EXPECT_EQ(ReasonOf(kBase + 2), Reason::kFolioConflict);
}

}  // namespace
}  // namespace pageferry::kernel
