// Waiting for pages, and the storage that is waited for.

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <fstream>
#include <functional>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/clock.h"
#include "server/model/memory.h"
#include "server/model/storage.h"
#include "server/model/wait_table.h"

namespace pageferry::model {
namespace {

using core::StopReason;

// Counts the slices of waits, and does something in one of them.
class Counting final : public Bystanders {
 public:
  void OnWait() override {
    if (++slices == at) then();
  }
  int slices = 0;
  int at = 0;
  std::function<void()> then = [] {};
};

// Whether a thread of this process sleeps in the kernel.
bool Sleeps(pid_t thread) {
  std::ifstream file(absl::StrCat("/proc/self/task/", thread, "/stat"));
  std::string stat;
  std::getline(file, stat);
  return absl::StrContains(stat, ") S ");
}

class WaitTableTest : public testing::Test {
 protected:
  core::FakeClock clock_;
  core::MigrationControl control_{&clock_, absl::Seconds(1)};
  WaitTable waits_;
  Counting bystanders_;
  Page page_;
};

TEST_F(WaitTableTest, WhatIsDoneAlreadyIsNotWaitedFor) {
  EXPECT_TRUE(waits_.Wait(
      &page_, [] { return true; }, control_, bystanders_));
  EXPECT_EQ(bystanders_.slices, 0);
  // Even by those who should stop.
  control_.RequestStop(StopReason::kCancelled);
  EXPECT_TRUE(waits_.Wait(
      &page_, [] { return true; }, control_, bystanders_));
}

TEST_F(WaitTableTest, BystandersGetTheirTurnInEachSliceAndMayEndTheWait) {
  bool done = false;
  bystanders_.at = 5;
  bystanders_.then = [&] { done = true; };
  EXPECT_TRUE(waits_.Wait(
      &page_, [&] { return done; }, control_, bystanders_));
  EXPECT_EQ(bystanders_.slices, 5);
  EXPECT_EQ(clock_.Monotonic(), 5 * WaitTable::kSlice);
}

TEST_F(WaitTableTest, AStopEndsTheWaitWithinASlice) {
  bystanders_.at = 3;
  bystanders_.then = [&] { control_.RequestStop(StopReason::kCancelled); };
  EXPECT_FALSE(waits_.Wait(
      &page_, [] { return false; }, control_, bystanders_));
  EXPECT_EQ(bystanders_.slices, 3);
}

TEST_F(WaitTableTest, TheDeadlineEndsTheWait) {
  EXPECT_FALSE(waits_.Wait(
      &page_, [] { return false; }, control_, bystanders_));
  EXPECT_EQ(clock_.Monotonic(), absl::Seconds(1));
}

TEST_F(WaitTableTest, AThreadSleepsUntilTheLockIsLetGo) {
  ASSERT_TRUE(WaitTable::TryLockPage(page_));
  EXPECT_FALSE(WaitTable::TryLockPage(page_));
  std::atomic<pid_t> waiting{0};
  std::atomic<bool> ours{true};
  std::atomic<bool> theirs{false};
  std::thread other([&] {
    waiting.store(gettid());
    waits_.LockPage(page_);
    theirs.store(true);
    EXPECT_FALSE(ours.load());
    waits_.UnlockPage(page_);
  });
  while (!theirs.load() && !(waiting.load() != 0 && Sleeps(waiting.load()))) {
    std::this_thread::yield();
  }
  EXPECT_FALSE(theirs.load());
  ours.store(false);
  waits_.UnlockPage(page_);
  other.join();
  EXPECT_TRUE(theirs.load());
  EXPECT_TRUE(WaitTable::TryLockPage(page_));
}

TEST_F(WaitTableTest, TheLockIsOneThreadsAtATime) {
  int guarded = 0;
  const auto count = [&] {
    for (int i = 0; i < 1000; ++i) {
      waits_.LockPage(page_);
      ++guarded;
      waits_.UnlockPage(page_);
    }
  };
  std::thread other(count);
  count();
  other.join();
  EXPECT_EQ(guarded, 2000);
}

class StorageTest : public testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(memory_.AddNode(core::NodeId(0), 4).ok());
    page_ = memory_.Allocate(core::NodeId(0), 1);
  }

  Memory memory_;
  WaitTable waits_;
  Storage storage_{&waits_};
  Page* page_ = nullptr;
};

TEST_F(StorageTest, APageIsUnderWritebackUntilItsTime) {
  storage_.StartWrite(*page_, absl::Milliseconds(10));
  storage_.Poll(absl::Milliseconds(9));
  EXPECT_TRUE(page_->Has(PageFlag::kWriteback));
  storage_.Poll(absl::Milliseconds(10));
  EXPECT_FALSE(page_->Has(PageFlag::kWriteback));
}

TEST_F(StorageTest, WritesEndEachAtItsOwnTime) {
  Page* const later = memory_.Allocate(core::NodeId(0), 1);
  storage_.StartWrite(*later, absl::Milliseconds(20));
  storage_.StartWrite(*page_, absl::Milliseconds(10));
  storage_.Poll(absl::Milliseconds(15));
  EXPECT_FALSE(page_->Has(PageFlag::kWriteback));
  EXPECT_TRUE(later->Has(PageFlag::kWriteback));
  storage_.Poll(absl::Milliseconds(25));
  EXPECT_FALSE(later->Has(PageFlag::kWriteback));
}

TEST_F(StorageTest, TheNextOwnerOfAFrameIsNotTouched) {
  storage_.StartWrite(*page_, absl::Milliseconds(10));
  memory_.Put(*page_);
  ASSERT_EQ(memory_.Allocate(core::NodeId(0), 1), page_);
  page_->Set(PageFlag::kWriteback);  // a write of the new page's own
  storage_.Poll(absl::Milliseconds(10));
  EXPECT_TRUE(page_->Has(PageFlag::kWriteback));
}

TEST_F(StorageTest, WhoeverWaitsForAWriteIsWoken) {
  storage_.StartWrite(*page_, absl::Milliseconds(10));
  std::thread waiting([&] {
    waits_.Wait(page_, [&] { return !page_->Has(PageFlag::kWriteback); });
  });
  storage_.Poll(absl::Milliseconds(10));
  waiting.join();
}

}  // namespace
}  // namespace pageferry::model
