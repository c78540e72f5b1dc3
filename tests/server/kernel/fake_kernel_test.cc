// The scripted kernel answers move_pages(2) as Linux does: what was observed on
// 6.1 and 6.12, and what the other tests therefore rely on.

#include "tests/server/kernel/fake_kernel.h"

#include <cerrno>

#include "gmock/gmock.h"

namespace pageferry::kernel {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;

constexpr int kUntouched = -9999;

class FakeKernelTest : public ::testing::Test {
 protected:
  FakeKernelTest() : kernel_(&clock_) {
    kernel_.memory.AddNode(0, 1000);
    kernel_.memory.AddNode(1, 5000);
    process_ = kernel_.AddProcess(7);
    process_->Map(0, 10'000);
  }

  void Fill(uint64_t first, uint64_t count) {
    for (uint64_t i = 0; i < count; ++i) {
      process_->Put(first + i, kernel_.memory.Place(0));
    }
  }

  // Moves pages [first, first + count) to node 1.
  SystemResult Move(uint64_t first, uint64_t count, int flags = 2) {
    std::vector<uint64_t> addresses;
    for (uint64_t i = 0; i < count; ++i) addresses.push_back((first + i) << 12);
    const std::vector<int> nodes(count, 1);
    statuses_.assign(count, kUntouched);
    return kernel_.MovePages(7, addresses, nodes, absl::MakeSpan(statuses_),
                             flags);
  }

  core::FakeClock clock_;
  FakeKernel kernel_;
  FakeProcess* process_ = nullptr;
  std::vector<int> statuses_;
};

TEST_F(FakeKernelTest, OneFailureLeavesItsWholeRunWithoutStatuses) {
  Fill(0, 8);
  process_->FolioOf(3)->pinned = true;
  EXPECT_EQ(Move(0, 8).value, 1);
  EXPECT_THAT(statuses_, Each(kUntouched));
  EXPECT_EQ(process_->NodeOf(7), 1);
}

TEST_F(FakeKernelTest, WhatLiesBehindAFailedRunIsNotTried) {
  Fill(0, 4096);
  process_->FolioOf(1000)->pinned = true;
  process_->pages.erase(2000);
  EXPECT_EQ(Move(0, 4096).value, 1 + 4096 - 2001);
  EXPECT_EQ(process_->NodeOf(1999), 1);
  EXPECT_EQ(process_->NodeOf(2001), 0);
  EXPECT_EQ(statuses_[1999], kUntouched);
  EXPECT_EQ(statuses_[2000], -EFAULT);
  EXPECT_EQ(statuses_[2001], kUntouched);
}

TEST_F(FakeKernelTest, AFullDestinationIsEnomemAfterThousandsMoved) {
  Fill(0, 9000);
  const SystemResult result = Move(0, 9000);
  EXPECT_EQ(result.value, -1);
  EXPECT_EQ(result.error, ENOMEM);
  EXPECT_THAT(statuses_, Each(kUntouched));
  EXPECT_EQ(process_->NodeOf(4999), 1);
  EXPECT_EQ(process_->NodeOf(5000), 0);
}

TEST_F(FakeKernelTest, TheSecondAddressOfAHugePageIsBusyThoughItMoved) {
  process_->Put(512, kernel_.memory.Place(0, 512));
  EXPECT_EQ(Move(512, 4).value, 0);
  EXPECT_THAT(statuses_, ElementsAre(1, -EBUSY, 1, 1));
}

TEST_F(FakeKernelTest, LookupErrorsAreStatuses) {
  Fill(0, 5);
  process_->FolioOf(1)->mappers = 2;
  process_->FolioOf(2)->zero = true;
  process_->FolioOf(3)->lru = Lru::kIsolated;
  process_->pages[4] = FakePage();
  process_->pages[4].swapped = true;
  EXPECT_EQ(Move(0, 6).value, 0);
  EXPECT_THAT(statuses_,
              ElementsAre(1, -EACCES, -EFAULT, -EBUSY, -ENOENT, -EFAULT));
}

TEST_F(FakeKernelTest, ChecksComeInTheKernelsOrder) {
  EXPECT_EQ(Move(0, 1, 8).error, EINVAL);
  kernel_.capabilities = 0;
  EXPECT_EQ(Move(0, 1, kMovePagesAll).error, EPERM);
  process_->access_denied = true;
  EXPECT_EQ(Move(0, 1).error, EPERM);
  process_->access_denied = false;
  process_->kernel_thread = true;
  EXPECT_EQ(Move(0, 1).error, EINVAL);
  process_->kernel_thread = false;
  process_->allowed_nodes = {0};
  EXPECT_EQ(Move(0, 1).error, EACCES);
  kernel_.memory.RemoveNode(1);
  EXPECT_EQ(Move(0, 1).error, ENODEV);
  kernel_.Exit(7);
  EXPECT_EQ(Move(0, 1).error, ESRCH);
}

}  // namespace
}  // namespace pageferry::kernel
