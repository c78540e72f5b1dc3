#include "server/kernel/file_systems.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Mode;
using core::Outcome;
using core::Reason;

constexpr char kMountInfo[] =
    "29 1 0:24 / / rw,relatime - overlay overlay rw,lowerdir=/host\n"
    "41 30 7:17 / /mnt/a\\040b rw,relatime shared:1 master:2 - minix "
    "/dev/loop17 rw\n"
    "42 30 253:1 /sub /data rw - ext4 /dev/dm-1 rw,errors=remount-ro\n"
    "nonsense\n"
    "43 30 x:1 / /x rw - xfs /dev/x rw\n"
    "44 30 8:1 / /x rw -\n";

TEST(FileSystemsTest, KnowsTheTypeByTheDevice) {
  const FileSystems systems = FileSystems::Parse(kMountInfo);
  EXPECT_EQ(systems.TypeOf({0, 24}), "overlay");
  EXPECT_EQ(systems.TypeOf({7, 17}), "minix");
  EXPECT_EQ(systems.TypeOf({253, 1}), "ext4");
  EXPECT_EQ(systems.TypeOf({8, 1}), "");
  EXPECT_EQ(FileSystems().TypeOf({0, 24}), "");
}

TEST(FileSystemsTest, ReadsReleases) {
  EXPECT_EQ(KernelVersion::Parse("6.12.117+deb12-amd64"),
            (KernelVersion{6, 12}));
  EXPECT_EQ(KernelVersion::Parse("6.1.0-56-amd64"), (KernelVersion{6, 1}));
  EXPECT_EQ(KernelVersion::Parse("7.0-rc1"), (KernelVersion{7, 0}));
  EXPECT_EQ(KernelVersion::Parse("strange"), KernelVersion());
  EXPECT_LT((KernelVersion{5, 19}), (KernelVersion{6, 1}));
}

TEST(FileSystemsTest, WhatMovesDirtyPagesDependsOnTheKernel) {
  EXPECT_TRUE(MovesDirtyPages("ext4", {6, 1}));
  EXPECT_TRUE(MovesDirtyPages("xfs", {6, 12}));
  EXPECT_FALSE(MovesDirtyPages("minix", {6, 1}));
  EXPECT_TRUE(MovesDirtyPages("minix", {6, 12}));
  EXPECT_FALSE(MovesDirtyPages("fuse", {6, 12}));
  EXPECT_TRUE(MovesDirtyPages("fuse", {6, 16}));
  EXPECT_FALSE(MovesDirtyPages("", {6, 12}));
}

// Dirty pages of a file on the file system that `device` names.
class DirtyPagesTest : public KernelTest {
 protected:
  void FillDirty(const std::string& device, bool writes_out) {
    FillPages(kBase, 8);
    process_->mappings[0].name = "/data/file";
    process_->mappings[0].permissions = "rw-s";
    process_->mappings[0].file_system = device;
    for (uint64_t i = 0; i < 8; ++i) {
      FolioOf(kBase + i)->anonymous = false;
      FolioOf(kBase + i)->dirty = i < 3;
      FolioOf(kBase + i)->writes_out = writes_out;
    }
    kernel_.SetFile("/proc/100/mountinfo", kMountInfo);
    kernel_.release = "6.1.0-56-amd64";
  }
};

TEST_F(DirtyPagesTest, ThoseThatWouldBeWrittenOutFailWhereNothingMayWait) {
  for (Mode mode : {Mode::kAsync, Mode::kSyncLight}) {
    FillDirty("07:11", /*writes_out=*/true);
    parameters_.mode = mode;
    Migrate(ToNode1(kBase, 8));
    EXPECT_EQ(Failures(Reason::kDirty), 3u);
    EXPECT_EQ(summary_.moved_pages, 5u);
    EXPECT_EQ(summary_.passes, 1u);
    EXPECT_EQ(kernel_.memory.waits, 0);
    process_->mappings.clear();
    process_->pages.clear();
    observer_.books = {};
  }
}

TEST_F(DirtyPagesTest, SyncHasThemWrittenOutOneACall) {
  FillDirty("07:11", /*writes_out=*/true);
  parameters_.mode = Mode::kSync;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 8u);
  EXPECT_EQ(kernel_.memory.waits, 3);
  EXPECT_EQ(summary_.kernel_calls, 4u);
}

TEST_F(DirtyPagesTest, OthersMoveInEveryMode) {
  FillDirty("fd:01", /*writes_out=*/false);
  parameters_.mode = Mode::kAsync;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(summary_.moved_pages, 8u);
}

TEST_F(DirtyPagesTest, OfAFileSystemThatIsNotSeenTheyAreHeldBack) {
  FillDirty("00:99", /*writes_out=*/false);
  parameters_.mode = Mode::kAsync;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(Failures(Reason::kDirty), 3u);
}

TEST_F(DirtyPagesTest, SharedHugetlbPagesAreAlwaysDirtyAndMove) {
  FillHugePages(kBase, 1);
  process_->mappings[0].name = "/memfd:huge (deleted)";
  process_->mappings[0].file_system = "00:11";  // mounted by the kernel alone
  FolioOf(kBase)->anonymous = false;
  FolioOf(kBase)->hugetlb = true;
  FolioOf(kBase)->dirty = true;
  kernel_.release = "6.1.0-56-amd64";
  parameters_.mode = Mode::kAsync;
  Migrate(ToNode1(kBase, core::kHugePagePages));
  EXPECT_EQ(summary_.moved_pages, core::kHugePagePages);
}

TEST_F(DirtyPagesTest, ADryRunSaysSoToo) {
  FillDirty("07:11", /*writes_out=*/true);
  parameters_.mode = Mode::kAsync;
  parameters_.validate_only = options_.validate_only = true;
  Migrate(ToNode1(kBase, 8));
  EXPECT_EQ(Failures(Reason::kDirty), 3u);
  EXPECT_EQ(summary_.would_move_pages, 5u);
}

}  // namespace
}  // namespace pageferry::kernel
