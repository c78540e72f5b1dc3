#include "server/kernel/page_map.h"

#include "gmock/gmock.h"
#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::kernel {
namespace {

using core::PageFrameNumber;
using core::VirtualAddress;

TEST(PagemapEntryTest, ReadsTheBits) {
  const PagemapEntry present(uint64_t{1} << 63 | uint64_t{1} << 56 | 0x1234);
  EXPECT_TRUE(present.present());
  EXPECT_TRUE(present.exclusive());
  EXPECT_FALSE(present.file());
  EXPECT_FALSE(present.swapped());
  EXPECT_EQ(present.frame(), PageFrameNumber(0x1234));
  const PagemapEntry file(uint64_t{1} << 63 | uint64_t{1} << 61 |
                          uint64_t{1} << 55);
  EXPECT_TRUE(file.file());
  EXPECT_TRUE(file.soft_dirty());
  EXPECT_EQ(file.frame(), PageFrameNumber(0));
}

TEST(PagemapEntryTest, ASwapSlotIsNoFrame) {
  const PagemapEntry swapped(uint64_t{1} << 62 | 0x1234);
  EXPECT_TRUE(swapped.swapped());
  EXPECT_FALSE(swapped.present());
  EXPECT_EQ(swapped.frame(), PageFrameNumber(0));
}

class PagemapTest : public ::testing::Test {
 protected:
  PagemapTest() : kernel_(&clock_) {
    kernel_.memory.AddNode(0, 1000);
    process_ = kernel_.AddProcess(100);
    process_->Put(10, kernel_.memory.Place(0));
  }

  Pagemap Open() {
    return Pagemap(
        &kernel_,
        Descriptor(&kernel_,
                   static_cast<int>(kernel_.Open("/proc/100/pagemap").value)));
  }

  core::FakeClock clock_;
  FakeKernel kernel_;
  FakeProcess* process_ = nullptr;
};

TEST_F(PagemapTest, ReadsTheEntriesOfPages) {
  const Pagemap pagemap = Open();
  PagemapEntry entries[3];
  ASSERT_TRUE(
      pagemap.Read(VirtualAddress::OfPage(9), absl::MakeSpan(entries)).ok());
  EXPECT_FALSE(entries[0].present());
  EXPECT_TRUE(entries[1].present());
  EXPECT_EQ(entries[1].frame().value(), process_->FolioOf(10)->head);
  EXPECT_TRUE(pagemap.alive());
}

TEST_F(PagemapTest, PagesBeyondTheAddressSpaceAreNotPresent) {
  const Pagemap pagemap = Open();
  PagemapEntry entries[4];
  entries[3] = PagemapEntry(~uint64_t{0});
  EXPECT_TRUE(
      pagemap.Read(VirtualAddress(0x7ffffffff000), absl::MakeSpan(entries))
          .ok());
  EXPECT_FALSE(entries[3].present());
}

TEST_F(PagemapTest, AfterAnExecTheAddressSpaceIsGone) {
  const Pagemap pagemap = Open();
  kernel_.Exec(100);
  PagemapEntry entry;
  EXPECT_TRUE(
      absl::IsNotFound(pagemap.Read(VirtualAddress::OfPage(10), {&entry, 1})));
  EXPECT_FALSE(pagemap.alive());
  EXPECT_TRUE(Open().alive());
}

class FrameStatesTest : public ::testing::Test {
 protected:
  FrameStatesTest() : kernel_(&clock_) { kernel_.memory.AddNode(0, 100'000); }

  FolioState Look(uint64_t frame) {
    return FrameStates::Open(&kernel_, "/proc")->Look(PageFrameNumber(frame));
  }

  core::FakeClock clock_;
  FakeKernel kernel_;
};

TEST_F(FrameStatesTest, ABasePageIsItsOwnFolio) {
  FakeFolio* folio = kernel_.memory.Place(0);
  folio->mappers = 3;
  folio->locked = true;
  const FolioState state = Look(folio->head);
  EXPECT_EQ(state.head, PageFrameNumber(folio->head));
  EXPECT_EQ(state.pages, 1u);
  EXPECT_EQ(state.map_count, 3u);
  EXPECT_TRUE(state.flags.locked());
  EXPECT_TRUE(state.flags.lru());
}

TEST_F(FrameStatesTest, ATailIsMeasuredAndHasTheFlagsOfItsHead) {
  kernel_.memory.Place(0, 16);
  FakeFolio* folio = kernel_.memory.Place(0, 16);
  kernel_.memory.Place(0, 16);
  folio->writeback = true;
  folio->dirty = true;
  for (const uint64_t tail : {0, 1, 7, 15}) {
    const FolioState state = Look(folio->head + tail);
    EXPECT_EQ(state.head, PageFrameNumber(folio->head));
    EXPECT_EQ(state.pages, 16u);
    EXPECT_TRUE(state.flags.writeback());
    EXPECT_TRUE(state.flags.dirty());
    EXPECT_TRUE(state.flags.thp());
  }
}

TEST_F(FrameStatesTest, AHugePageHas512Pages) {
  kernel_.memory.Place(0);
  FakeFolio* folio = kernel_.memory.Place(0, 512);
  folio->hugetlb = true;
  const FolioState state = Look(folio->head + 511);
  EXPECT_EQ(state.pages, 512u);
  EXPECT_EQ(state.head, PageFrameNumber(folio->head));
  EXPECT_TRUE(state.flags.hugetlb());
}

TEST_F(FrameStatesTest, AGiganticPageIsToldByIts2MiBParts) {
  FakeFolio* folio = kernel_.memory.Place(0, 2048);
  folio->hugetlb = true;
  const FolioState state = Look(folio->head + 1024 + 5);
  EXPECT_EQ(state.pages, 512u);
  EXPECT_EQ(state.head, PageFrameNumber(folio->head + 1024));
  EXPECT_TRUE(state.flags.hugetlb());
}

TEST_F(FrameStatesTest, FramesThatDoNotExistHaveNoFlags) {
  const FolioState state = Look(12345);
  EXPECT_EQ(state.pages, 1u);
  EXPECT_FALSE(state.flags.lru());
  EXPECT_EQ(state.map_count, 0u);
}

TEST_F(FrameStatesTest, RemembersUntilItIsToldToForget) {
  FakeFolio* folio = kernel_.memory.Place(0);
  auto states = FrameStates::Open(&kernel_, "/proc");
  ASSERT_TRUE(states.ok());
  const PageFrameNumber frame(folio->head);
  EXPECT_FALSE(states->Look(frame).flags.locked());
  folio->locked = true;
  EXPECT_FALSE(states->Look(frame).flags.locked());
  states->Forget();
  EXPECT_TRUE(states->Look(frame).flags.locked());
}

TEST_F(FrameStatesTest, WithoutTheRightThereAreNone) {
  kernel_.frame_files_open = false;
  EXPECT_TRUE(
      absl::IsPermissionDenied(FrameStates::Open(&kernel_, "/proc").status()));
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

}  // namespace
}  // namespace pageferry::kernel
