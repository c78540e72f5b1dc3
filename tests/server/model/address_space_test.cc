#include "server/model/address_space.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/model/look.h"
#include "server/model/populate.h"
#include "server/model/rmap.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using core::PageState;
using core::Reason;
using core::VirtualAddress;
using testing::IsEmpty;

// Process 10 with one region at page 16, and what else `more` says.
std::string Scenario(absl::string_view region, absl::string_view more = "") {
  return absl::StrCat(
      "nodes { id: 0 capacity_pages: 2048 } nodes { id: 1 capacity_pages: 2048 "
      "}",
      "processes { pid: 10 regions { start_address: 0x10000 ", region, " } }",
      more);
}

class AddressSpaceTest : public testing::Test {
 protected:
  void Make(absl::string_view region, absl::string_view more = "") {
    model_ = std::make_unique<TestModel>(Scenario(region, more));
  }
  void TearDown() override {
    if (model_ == nullptr) return;
    EXPECT_THAT(BrokenInvariantsAtRest(model_->backend->world()), IsEmpty());
  }

  AddressSpace& space(int32_t pid = 10) { return model_->space(pid); }

  static VirtualAddress At(uint64_t page, uint64_t word = 0) {
    return VirtualAddress(page * core::kPageBytes + word * 8);
  }
  Access Store(uint64_t page, uint64_t value, int32_t pid = 10) {
    return space(pid).Store(At(page, 3), value);
  }
  uint64_t Load(uint64_t page, int32_t pid = 10) {
    uint64_t value = 0;
    EXPECT_EQ(space(pid).Load(At(page, 3), &value), Access::kDone);
    return value;
  }
  Entry EntryOf(uint64_t page, int32_t pid = 10) {
    return space(pid).page_table().Find(page).Read();
  }
  core::LocatedRun Locate(uint64_t page) { return LocatePage(space(), page); }

  std::unique_ptr<TestModel> model_;
};

TEST_F(AddressSpaceTest, StoresAreLoadedAgain) {
  Make("pages: 4 placements { node: 0 }");
  EXPECT_EQ(Store(17, 42), Access::kDone);
  EXPECT_EQ(Load(17), 42u);
  EXPECT_NE(Load(16), 42u);
}

TEST_F(AddressSpaceTest, AccessesSetYoungDirtyAndSoftDirtyAsHardwareDoes) {
  Make("pages: 4 placements { node: 0 }");
  EXPECT_FALSE(EntryOf(16).Has(Entry::kYoung));
  Load(16);
  EXPECT_TRUE(EntryOf(16).Has(Entry::kYoung));
  EXPECT_FALSE(EntryOf(16).Has(Entry::kDirty | Entry::kSoftDirty));
  Store(16, 1);
  EXPECT_TRUE(EntryOf(16).Has(Entry::kDirty));
  EXPECT_TRUE(Locate(16).states.Has(PageState::kSoftDirty));
  space().ClearSoftDirty();
  EXPECT_FALSE(Locate(16).states.Has(PageState::kSoftDirty));
  EXPECT_TRUE(EntryOf(16).Has(Entry::kDirty));
}

TEST_F(AddressSpaceTest, AccessesOutsideAllRegionsFault) {
  Make("pages: 1 placements { node: 0 }");
  uint64_t value = 0;
  EXPECT_EQ(space().Load(At(15), &value), Access::kNotMapped);
  EXPECT_EQ(Store(17, 1), Access::kNotMapped);
  EXPECT_EQ(Locate(17).reason, Reason::kNotMapped);
}

TEST_F(AddressSpaceTest, ProtectionHolds) {
  Make("pages: 2 placements { node: 0 } protection: PROTECTION_READ_ONLY");
  EXPECT_EQ(Store(16, 1), Access::kNoPermission);
  Load(16);
  space().Protect(16, false, false);
  uint64_t value = 0;
  EXPECT_EQ(space().Load(At(16), &value), Access::kNoPermission);
  space().Protect(16, true, true);
  EXPECT_EQ(Store(16, 5), Access::kDone);
  EXPECT_EQ(Load(16), 5u);
}

TEST_F(AddressSpaceTest, WritePermissionTakenAwayInMidMigrationStaysAway) {
  Make("pages: 1 placements { node: 0 }");
  Store(16, 1);
  Page& page = model_->machine().memory.PageOf(EntryOf(16).pfn());
  ASSERT_TRUE(WaitTable::TryLockPage(page));
  page.Get();
  try_to_unmap(model_->machine(), page);
  EXPECT_TRUE(EntryOf(16).Has(Entry::kMigration));
  EXPECT_TRUE(EntryOf(16).Has(Entry::kWrite));
  space().Protect(16, true, false);
  remove_migration_ptes(model_->machine(), page, page);
  EXPECT_FALSE(EntryOf(16).Has(Entry::kWrite));
  EXPECT_TRUE(EntryOf(16).Has(Entry::kSoftDirty));
  model_->machine().waits.UnlockPage(page);
  model_->machine().memory.Put(page);
  EXPECT_EQ(Store(16, 1), Access::kNoPermission);
}

TEST_F(AddressSpaceTest, AMigrationEntryMakesAThreadWaitAndNotFault) {
  Make("pages: 1 placements { node: 0 }");
  Store(16, 7);
  Page& page = model_->machine().memory.PageOf(EntryOf(16).pfn());
  ASSERT_TRUE(WaitTable::TryLockPage(page));
  page.Get();
  try_to_unmap(model_->machine(), page);
  std::atomic<bool> stored{false};
  std::thread thread([&] {
    EXPECT_EQ(Store(16, 8), Access::kDone);
    stored = true;
  });
  EXPECT_EQ(LoadWord(page.frame, 24), 7u);
  EXPECT_FALSE(stored.load());
  remove_migration_ptes(model_->machine(), page, page);
  thread.join();
  EXPECT_EQ(Load(16), 8u);
  model_->machine().waits.UnlockPage(page);
  model_->machine().memory.Put(page);
}

TEST_F(AddressSpaceTest, AnEntryThatChangedInMidMigrationIsLeftAlone) {
  Make("pages: 1 placements { node: 0 }");
  Page& page = model_->machine().memory.PageOf(EntryOf(16).pfn());
  ASSERT_TRUE(WaitTable::TryLockPage(page));
  page.Get();
  try_to_unmap(model_->machine(), page);
  space().Zap(16);
  EXPECT_EQ(Store(16, 9), Access::kDone);  // a new page
  remove_migration_ptes(model_->machine(), page, page);
  EXPECT_EQ(Load(16), 9u);
  EXPECT_NE(EntryOf(16).pfn(), page.pfn);
  model_->machine().waits.UnlockPage(page);
  model_->machine().memory.Put(page);
}

TEST_F(AddressSpaceTest, AFailedMoveBringsTheEntryBackExactly) {
  Make("pages: 1 placements { node: 0 }");
  Store(16, 1);
  space().HideBehindNumaHint(16);
  const Entry before = EntryOf(16);
  Page& page = model_->machine().memory.PageOf(before.pfn());
  ASSERT_TRUE(WaitTable::TryLockPage(page));
  page.Get();
  try_to_unmap(model_->machine(), page);
  EXPECT_EQ(page.map_count.load(), 0);
  remove_migration_ptes(model_->machine(), page, page);
  EXPECT_EQ(EntryOf(16).bits(), before.bits());
  EXPECT_EQ(page.map_count.load(), 1);
  model_->machine().waits.UnlockPage(page);
  model_->machine().memory.Put(page);
}

TEST_F(AddressSpaceTest, UntouchedMemoryReadsAsTheZeroPageUntilItIsWritten) {
  Make("pages: 2 kind: REGION_KIND_UNTOUCHED");
  EXPECT_EQ(Locate(16).reason, Reason::kNotPresent);
  EXPECT_EQ(Load(16), 0u);
  EXPECT_EQ(Locate(16).reason, Reason::kZeroPage);
  EXPECT_TRUE(Locate(16).states.Has(PageState::kZeroPage));
  Store(16, 3);
  EXPECT_EQ(Locate(16).node, NodeId(0));
  EXPECT_EQ(Load(16), 3u);
}

TEST_F(AddressSpaceTest, AFaultFindsNoMemoryWhereNodesAreFull) {
  model_ = std::make_unique<TestModel>(
      "nodes { id: 0 capacity_pages: 2 } processes { pid: 10"
      " regions { start_address: 0x10000 pages: 4"
      " kind: REGION_KIND_UNTOUCHED } }");
  EXPECT_EQ(Store(16, 1), Access::kDone);
  EXPECT_EQ(Store(17, 1), Access::kDone);
  EXPECT_EQ(Store(18, 1), Access::kNoMemory);
  space().Zap(16);
  EXPECT_EQ(Store(18, 1), Access::kDone);
}

TEST_F(AddressSpaceTest, SwappedPagesComeBackWithTheirContent) {
  Make("pages: 2 kind: REGION_KIND_SWAPPED");
  EXPECT_EQ(Locate(16).reason, Reason::kSwappedOut);
  const uint64_t value = Load(16);
  EXPECT_NE(value, 0u);
  EXPECT_EQ(Locate(16).node, NodeId(0));
  EXPECT_EQ(Load(16), value);
  EXPECT_EQ(Locate(17).reason, Reason::kSwappedOut);
}

TEST_F(AddressSpaceTest, ANumaHintFaultsOnceAndQuietly) {
  Make("pages: 1 placements { node: 0 } numa_hinted: true");
  EXPECT_TRUE(Locate(16).states.Has(PageState::kNumaHint));
  EXPECT_EQ(Locate(16).node, NodeId(0));
  Load(16);
  EXPECT_FALSE(Locate(16).states.Has(PageState::kNumaHint));
  Load(16);
  EXPECT_EQ(model_->machine().vmstat.numa_hint_faults.load(), 1u);
}

TEST_F(AddressSpaceTest, AForkSharesPagesUntilSomebodyStores) {
  Make("pages: 2 placements { node: 0 }", "processes { pid: 11 fork_of: 10 }");
  EXPECT_EQ(EntryOf(16).pfn(), EntryOf(16, 11).pfn());
  EXPECT_TRUE(Locate(16).states.Has(PageState::kShared));
  const uint64_t old = Load(16);
  Store(16, 1);
  EXPECT_EQ(Load(16), 1u);
  EXPECT_EQ(Load(16, 11), old);
  EXPECT_NE(EntryOf(16).pfn(), EntryOf(16, 11).pfn());
  // The last one keeps the page.
  const auto kept = EntryOf(16, 11).pfn();
  Store(16, 2, 11);
  EXPECT_EQ(EntryOf(16, 11).pfn(), kept);
  EXPECT_FALSE(Locate(16).states.Has(PageState::kShared));
}

TEST_F(AddressSpaceTest, AForkCopiesSwappedPages) {
  Make("pages: 1 kind: REGION_KIND_SWAPPED",
       "processes { pid: 11 fork_of: 10 }");
  EXPECT_EQ(Load(16), Load(16, 11));
}

TEST_F(AddressSpaceTest, AForkSharesHugePagesUntilSomebodyStores) {
  model_ = std::make_unique<TestModel>(
      "nodes { id: 0 capacity_pages: 2048 }"
      "processes { pid: 10 regions { start_address: 0x200000 pages: 512"
      " kind: REGION_KIND_HUGE placements { node: 0 } } }"
      "processes { pid: 11 fork_of: 10 }");
  const uint64_t old = Load(1000, 11);
  Store(1000, 5);
  EXPECT_EQ(Load(1000), 5u);
  EXPECT_EQ(Load(1000, 11), old);
  EXPECT_EQ(Locate(1000).folio_pages, 512u);
}

TEST_F(AddressSpaceTest, SharedFilesShowEachOthersStores) {
  Make("pages: 4 kind: REGION_KIND_FILE source: 'f' source_offset_pages: 1",
       "files { name: 'f' pages: 5 placements { node: 1 } }"
       "processes { pid: 11 regions { start_address: 0x20000 pages: 5"
       " kind: REGION_KIND_FILE source: 'f' } }");
  Store(16, 77);
  EXPECT_EQ(Load(0x21, 11), 77u);
  EXPECT_EQ(Locate(16).node, NodeId(1));
}

TEST_F(AddressSpaceTest, PrivateFileMappingsKeepTheirStoresToThemselves) {
  Make("pages: 1 kind: REGION_KIND_FILE_PRIVATE source: 'f'",
       "files { name: 'f' pages: 1 placements { node: 1 } }"
       "processes { pid: 11 regions { start_address: 0x20000 pages: 1"
       " kind: REGION_KIND_FILE source: 'f' } }");
  const uint64_t old = Load(0x20, 11);
  Store(16, 77);
  EXPECT_EQ(Load(0x20, 11), old);
  EXPECT_EQ(Load(16), 77u);
  EXPECT_TRUE(Locate(16).states.Has(PageState::kAnonymous));
}

TEST_F(AddressSpaceTest, MergedPagesAreCopiedByAStore) {
  Make("pages: 1 kind: REGION_KIND_MERGED placements { node: 0 }",
       "processes { pid: 11 regions { start_address: 0x20000 pages: 1"
       " kind: REGION_KIND_MERGED placements { node: 0 } } }");
  EXPECT_TRUE(Locate(16).states.Has(PageState::kKsm));
  const uint64_t old = Load(16);
  EXPECT_EQ(Load(0x20, 11), old);
  Store(16, 1);
  EXPECT_EQ(Load(0x20, 11), old);
  EXPECT_FALSE(Locate(16).states.Has(PageState::kKsm));
}

TEST_F(AddressSpaceTest, DeviceAndBalloonMemoryCannotBeAccessed) {
  Make("pages: 1 kind: REGION_KIND_DEVICE",
       "balloons { name: 'b' pages: 1 placements { node: 0 } }"
       "processes { pid: 11 regions { start_address: 0x20000 pages: 1"
       " kind: REGION_KIND_BALLOON source: 'b' } }");
  EXPECT_EQ(Store(16, 1), Access::kNoPermission);
  EXPECT_EQ(Locate(16).reason, Reason::kNotMovable);
  EXPECT_EQ(Store(0x20, 1, 11), Access::kNoPermission);
}

TEST_F(AddressSpaceTest, ExitGivesAllMemoryBack) {
  Make("pages: 64 placements { node: 0 }");
  EXPECT_EQ(model_->machine().memory.arena(NodeId(0))->free_pages(),
            2048u - 64);
  space().Exit();
  EXPECT_EQ(model_->machine().memory.arena(NodeId(0))->free_pages(), 2048u);
  EXPECT_EQ(Store(16, 1), Access::kNotMapped);
}

TEST_F(AddressSpaceTest, ZappingAHugePageDropsAllOfIt) {
  model_ = std::make_unique<TestModel>(
      "nodes { id: 0 capacity_pages: 1024 }"
      "processes { pid: 10 regions { start_address: 0x200000 pages: 512"
      " kind: REGION_KIND_HUGETLB placements { node: 0 } } }");
  space().Zap(700);
  EXPECT_EQ(model_->machine().memory.arena(NodeId(0))->free_pages(), 1024u);
  // hugetlb pages are not made by faults.
  EXPECT_EQ(Store(700, 1), Access::kNoMemory);
}

// --- huge pages are split as Linux does it

class SplitTest : public AddressSpaceTest {
 protected:
  void MakeHuge(absl::string_view more = "") {
    model_ = std::make_unique<TestModel>(absl::StrCat(
        "nodes { id: 0 capacity_pages: 2048 }"
        "processes { pid: 10 regions { start_address: 0x200000 pages: 512"
        " kind: REGION_KIND_HUGE placements { node: 0 } } }",
        more));
  }
  // Splits with the reference of a caller that has isolated the page.
  bool Split(Page& page) {
    Page& head = *page.head.load();
    head.Clear(PageFlag::kLru);
    head.Set(PageFlag::kIsolated);
    head.Get();
    const bool split = split_huge_page(model_->machine(), page);
    Page& isolated = *page.head.load();
    EXPECT_TRUE(isolated.Has(PageFlag::kIsolated));
    isolated.Clear(PageFlag::kIsolated);
    isolated.Set(PageFlag::kLru);
    model_->machine().memory.Put(isolated);
    return split;
  }
  Page& Head() { return model_->machine().memory.PageOf(EntryOf(512).pfn()); }
};

TEST_F(SplitTest, KeepsContentPermissionsAndBitsOfAllParts) {
  MakeHuge();
  Store(600, 11);
  const auto content = ContentOf(model_->backend->world(), 10);
  EXPECT_TRUE(Split(Head()));
  EXPECT_EQ(ContentOf(model_->backend->world(), 10), content);
  for (uint64_t page : {512, 600, 1023}) {
    EXPECT_EQ(Locate(page).folio_pages, 1u);
    EXPECT_TRUE(EntryOf(page).Has(Entry::kWrite));
    EXPECT_TRUE(EntryOf(page).Has(Entry::kSoftDirty));
  }
  EXPECT_EQ(model_->machine().vmstat.thp_split.load(), 1u);
}

TEST_F(SplitTest, TheReferenceGoesToThePartThatWasAskedFor) {
  MakeHuge();
  EXPECT_TRUE(Split(*(&Head() + 100)));
}

TEST_F(SplitTest, WorksWhereTwoProcessesShareThePage) {
  MakeHuge("processes { pid: 11 fork_of: 10 }");
  EXPECT_TRUE(Split(Head()));
  EXPECT_EQ(EntryOf(777).pfn(), EntryOf(777, 11).pfn());
  Store(777, 1);
  EXPECT_NE(EntryOf(777).pfn(), EntryOf(777, 11).pfn());
}

TEST_F(SplitTest, FailsAndChangesNothingWhileSomebodyHoldsAReference) {
  MakeHuge();
  Page& head = Head();
  const Entry before = EntryOf(512);
  head.Get();
  EXPECT_FALSE(Split(head));
  EXPECT_EQ(EntryOf(512).bits(), before.bits());
  EXPECT_EQ(Locate(512).folio_pages, 512u);
  model_->machine().memory.Put(head);
}

TEST_F(SplitTest, WritebackOfTheHugePageStaysWithItsHead) {
  MakeHuge();
  Page& head = Head();
  head.Set(PageFlag::kWriteback);
  EXPECT_TRUE(Split(head));
  EXPECT_TRUE(head.Has(PageFlag::kWriteback));
  EXPECT_FALSE((&head + 1)->Has(PageFlag::kWriteback));
}

}  // namespace
}  // namespace pageferry::model
