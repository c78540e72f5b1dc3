// Where pages are, without touching them.

#include <map>

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::LocatedRun;
using core::NodeId;
using core::PageRun;
using core::PageState;
using core::Reason;
using core::VirtualAddress;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class LocateTest : public KernelTest {
 protected:
  LocateTest() { target_ = OpenTarget(); }

  // Looks at pages and keeps what was said of each.
  void Locate(uint64_t first, uint64_t count) {
    const PageRun run = {VirtualAddress::OfPage(first), count};
    const absl::Status status = target_->Locate({&run, 1}, Keep());
    EXPECT_TRUE(status.ok()) << status;
    EXPECT_EQ(located_.size(), count);
  }

  void LocateResident() {
    const absl::Status status = target_->LocateResident(
        core::VirtualAddress(), core::HiddenPages::kLeave, Keep());
    EXPECT_TRUE(status.ok()) << status;
  }

  core::LocationSink Keep() {
    return [this](absl::Span<const LocatedRun> runs) {
      for (const LocatedRun& run : runs) {
        runs_.push_back(run);
        for (uint64_t i = 0; i < run.run.pages; ++i) {
          const uint64_t page = run.run.start.page_number() + i;
          EXPECT_TRUE(located_.emplace(page, run).second) << page;
        }
      }
      return true;
    };
  }

  bool Has(uint64_t page, PageState state) {
    return located_.at(page).states.Has(state);
  }

  std::unique_ptr<core::TargetProcess> target_;
  std::vector<LocatedRun> runs_;
  std::map<uint64_t, LocatedRun> located_;
};

TEST_F(LocateTest, SaysOfEachPageOnceWhereItIs) {
  FillPages(kBase, 10'000);
  for (uint64_t i = 3; i < 7; ++i) {
    kernel_.memory.Migrate(FolioOf(kBase + i), 1);
  }
  Locate(kBase, 10'001);
  EXPECT_EQ(located_.at(kBase).node, NodeId(0));
  EXPECT_EQ(located_.at(kBase + 3).node, NodeId(1));
  EXPECT_TRUE(located_.at(kBase + 3).resident);
  EXPECT_EQ(located_.at(kBase + 10'000).reason, Reason::kNotMapped);
  EXPECT_THAT(kernel_.touched, IsEmpty());
  EXPECT_THAT(kernel_.moves, IsEmpty());
}

TEST_F(LocateTest, NeighboursThatAreAlikeAreOneRun) {
  FillPages(kBase, 100);
  Locate(kBase, 100);
  ASSERT_THAT(runs_, SizeIs(1));
  EXPECT_EQ(runs_[0].run.pages, 100u);
  EXPECT_EQ(runs_[0].folio_pages, 1u);
}

TEST_F(LocateTest, PagesThatAreNotInMemoryHaveAReasonAndNoNode) {
  FillPages(kBase, 3);
  process_->pages.erase(kBase);
  process_->pages[kBase + 1] = FakePage();
  process_->pages[kBase + 1].swapped = true;
  FolioOf(kBase + 2)->zero = true;
  Locate(kBase, 3);
  EXPECT_EQ(located_.at(kBase).reason, Reason::kNotPresent);
  EXPECT_EQ(located_.at(kBase + 1).reason, Reason::kSwappedOut);
  EXPECT_EQ(located_.at(kBase + 2).reason, Reason::kZeroPage);
  EXPECT_TRUE(Has(kBase + 2, PageState::kZeroPage));
  for (const auto& [page, run] : located_) {
    EXPECT_FALSE(run.resident);
    EXPECT_FALSE(run.node.known());
  }
}

TEST_F(LocateTest, HiddenPagesAreResidentAndStayUntouched) {
  kernel_.behaviour.hides_protected = true;
  FillPages(kBase, 1);
  process_->pages[kBase].numa_hint = true;
  FillPages(kBase + 1, 1);
  process_->mappings[1].permissions = "---p";
  Locate(kBase, 2);
  EXPECT_TRUE(located_.at(kBase).resident);
  EXPECT_EQ(located_.at(kBase).reason, Reason::kNumaHint);
  EXPECT_TRUE(Has(kBase, PageState::kNumaHint));
  EXPECT_EQ(located_.at(kBase + 1).reason, Reason::kUnsupported);
  EXPECT_TRUE(located_.at(kBase + 1).resident);
  EXPECT_THAT(kernel_.touched, IsEmpty());
}

TEST_F(LocateTest, TellsTheStatesOfPages) {
  FillPages(kBase, 6);
  FolioOf(kBase)->locked = true;
  FolioOf(kBase)->dirty = true;
  FolioOf(kBase + 1)->writeback = true;
  FolioOf(kBase + 1)->anonymous = false;
  FolioOf(kBase + 2)->mappers = 2;
  FolioOf(kBase + 2)->ksm = true;
  FolioOf(kBase + 3)->mlocked = true;
  FolioOf(kBase + 3)->ksm = true;  // Linux 6.10 to 6.12: on every page
  process_->pages[kBase + 4].soft_dirty = true;
  Locate(kBase, 6);
  EXPECT_TRUE(Has(kBase, PageState::kLocked));
  EXPECT_TRUE(Has(kBase, PageState::kDirty));
  EXPECT_TRUE(Has(kBase, PageState::kAnonymous));
  EXPECT_TRUE(Has(kBase + 1, PageState::kWriteback));
  EXPECT_TRUE(Has(kBase + 1, PageState::kFile));
  EXPECT_TRUE(Has(kBase + 2, PageState::kShared));
  EXPECT_TRUE(Has(kBase + 2, PageState::kKsm));
  EXPECT_TRUE(Has(kBase + 3, PageState::kMlocked));
  EXPECT_FALSE(Has(kBase + 3, PageState::kKsm));
  EXPECT_TRUE(Has(kBase + 4, PageState::kSoftDirty));
  EXPECT_FALSE(Has(kBase + 5, PageState::kShared));
}

TEST_F(LocateTest, HugePagesAreToldWithTheirSize) {
  FillHugePages(kBase, 2);
  FolioOf(kBase + 512)->hugetlb = true;
  Locate(kBase, 1024);
  EXPECT_TRUE(Has(kBase + 511, PageState::kThp));
  EXPECT_EQ(located_.at(kBase + 511).folio_pages, 512u);
  EXPECT_TRUE(Has(kBase + 512, PageState::kHugetlb));
  EXPECT_FALSE(Has(kBase + 512, PageState::kThp));
}

TEST_F(LocateTest, APageThatChangesItsFrameMeanwhileHasNoStates) {
  FillPages(kBase, 2);
  FolioOf(kBase)->locked = true;
  int opens = 0;
  kernel_.before_frame_read = [this, &opens] {
    if (++opens == 1) kernel_.memory.Migrate(FolioOf(kBase), 0);
  };
  Locate(kBase, 2);
  EXPECT_FALSE(Has(kBase, PageState::kLocked));
  EXPECT_EQ(located_.at(kBase).folio_pages, 0u);
}

TEST_F(LocateTest, WithoutVisibleFramesPlacesAreStillTold) {
  HideFrames();
  target_ = OpenTarget();
  FillPages(kBase, 2, /*node=*/1);
  FolioOf(kBase)->locked = true;
  Locate(kBase, 2);
  EXPECT_EQ(located_.at(kBase).node, NodeId(1));
  EXPECT_EQ(located_.at(kBase).folio_pages, 0u);
  EXPECT_FALSE(Has(kBase, PageState::kLocked));
  EXPECT_TRUE(Has(kBase, PageState::kAnonymous));
}

TEST_F(LocateTest, EverythingResidentIsWhatIsInMemoryOfAllMappings) {
  FillPages(kBase, 5);
  process_->pages.erase(kBase + 2);
  process_->Map(kBase + 0x1000, 100'000);
  process_->Put(kBase + 0x1000 + 99'999, kernel_.memory.Place(1));
  process_->Map(kBase + 0x80000, 1, "r-xp", "[vdso]");
  process_->Put(kBase + 0x80000, kernel_.memory.Place(0));
  LocateResident();
  EXPECT_THAT(located_, SizeIs(5));
  EXPECT_EQ(located_.count(kBase + 2), 0u);
  EXPECT_EQ(located_.at(kBase + 0x1000 + 99'999).node, NodeId(1));
}

TEST_F(LocateTest, WhereTheKernelCanScanWhatIsNotThereIsNotRead) {
  process_->Map(kBase, uint64_t{1} << 24);  // 64 GiB
  for (uint64_t i = 0; i < 3000; ++i) {     // more runs than a scan returns
    process_->Put(kBase + 5000 * i, kernel_.memory.Place(0));
  }
  LocateResident();
  EXPECT_THAT(located_, SizeIs(3000));
  EXPECT_LT(kernel_.pagemap_entries_read, 20'000u);
}

TEST_F(LocateTest, WhereItCannotTheMapIsReadWithTheSameResult) {
  kernel_.scans_pagemap = false;
  process_->Map(kBase, 200'000);
  for (uint64_t i = 0; i < 39; ++i) {
    process_->Put(kBase + 5000 * i, kernel_.memory.Place(0));
    process_->Put(kBase + 5000 * i + 1, kernel_.memory.Place(0));
  }
  LocateResident();
  EXPECT_THAT(located_, SizeIs(78));
  EXPECT_GE(kernel_.pagemap_entries_read, 200'000u);
}

TEST_F(LocateTest, AWalkOverEmptyTerabytesCanBeEnded) {
  process_->Map(kBase, uint64_t{1} << 32);  // 16 TiB
  kernel_.scans_pagemap = false;
  int calls = 0;
  const auto twice = [&calls](absl::Span<const LocatedRun> runs) {
    EXPECT_TRUE(runs.empty());
    return ++calls < 2;
  };
  EXPECT_TRUE(target_
                  ->LocateResident(core::VirtualAddress(),
                                   core::HiddenPages::kLeave, twice)
                  .ok());
  EXPECT_EQ(calls, 2);
}

TEST_F(LocateTest, ZeroPagesAreNotResident) {
  FillPages(kBase, 2);
  FolioOf(kBase)->zero = true;
  LocateResident();
  EXPECT_THAT(located_, SizeIs(1));
}

TEST_F(LocateTest, ASinkThatHasEnoughEndsTheLook) {
  FillPages(kBase, 10'000);
  FillPages(kBase + 20'000, 10);
  int calls = 0;
  const auto once = [&calls](absl::Span<const LocatedRun>) {
    ++calls;
    return false;
  };
  EXPECT_TRUE(target_
                  ->LocateResident(core::VirtualAddress(),
                                   core::HiddenPages::kLeave, once)
                  .ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(LocateTest, AProcessThatExitedIsNotFound) {
  FillPages(kBase, 1);
  kernel_.Exit(kPid);
  const PageRun run = {VirtualAddress::OfPage(kBase), 1};
  EXPECT_EQ(core::RefusalOf(target_->Locate({&run, 1}, Keep())).reason,
            core::RefusalReason::kProcessNotFound);
  EXPECT_EQ(core::RefusalOf(target_->LocateResident(core::VirtualAddress(),
                                                    core::HiddenPages::kLeave,
                                                    Keep()))
                .reason,
            core::RefusalReason::kProcessNotFound);
}

TEST_F(LocateTest, AProcessThatExitsBeforeItsMappingsAreReadIsNotFound) {
  FillPages(kBase, 1);
  kernel_.before_open = [this](const std::string& path) {
    if (path == "/proc/100/maps") kernel_.Exit(kPid);
  };
  EXPECT_EQ(core::RefusalOf(target_->LocateResident(core::VirtualAddress(),
                                                    core::HiddenPages::kLeave,
                                                    Keep()))
                .reason,
            core::RefusalReason::kProcessNotFound);
}

TEST_F(LocateTest, AProcessThatExecsIsNotFoundThoughThePidLives) {
  FillPages(kBase, 1);
  kernel_.before_query = [this] { kernel_.Exec(kPid); };
  const PageRun run = {VirtualAddress::OfPage(kBase), 1};
  EXPECT_EQ(core::RefusalOf(target_->Locate({&run, 1}, Keep())).reason,
            core::RefusalReason::kProcessNotFound);
}

TEST_F(LocateTest, DeniedAccessIsRefused) {
  process_->access_denied = true;
  const PageRun run = {VirtualAddress::OfPage(kBase), 1};
  EXPECT_EQ(core::RefusalOf(target_->Locate({&run, 1}, Keep())).missing,
            "CAP_SYS_PTRACE");
  EXPECT_EQ(core::RefusalOf(target_->LocateResident(core::VirtualAddress(),
                                                    core::HiddenPages::kLeave,
                                                    Keep()))
                .missing,
            "CAP_SYS_PTRACE");
}

}  // namespace
}  // namespace pageferry::kernel
