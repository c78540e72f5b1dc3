#include "server/service/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <vector>

#include "server/service/call_counter.h"
#include "server/service/caller.h"
#include "tests/server/service/fake_backend.h"

namespace pageferry::service {
namespace {

TEST(WorkerPoolTest, RunsAllThatWasPostedBeforeItEnds) {
  std::atomic<int> ran = 0;
  {
    WorkerPool pool(3);
    for (int i = 0; i < 100; ++i) {
      pool.Post([&ran] { ++ran; });
    }
  }
  EXPECT_EQ(ran, 100);
}

TEST(WorkerPoolTest, OneThreadKeepsTheOrder) {
  std::vector<int> order;
  {
    WorkerPool pool(1);
    for (int i = 0; i < 10; ++i) {
      pool.Post([&order, i] { order.push_back(i); });
    }
  }
  EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
}

TEST(WorkerPoolTest, HasAsManyTasksRunningAsThreads) {
  Gate gate;
  gate.Close();
  WorkerPool pool(4);
  for (int i = 0; i < 4; ++i) {
    pool.Post([&gate] { gate.Pass(); });
  }
  gate.AwaitWaiting(4);
  gate.Open();
}

TEST(CallCounterTest, WaitsForTheLastCall) {
  core::SystemClock clock;
  CallCounter calls(&clock);
  EXPECT_TRUE(calls.AwaitNone(absl::ZeroDuration()));
  calls.Begin();
  calls.Begin();
  EXPECT_FALSE(calls.AwaitNone(absl::Milliseconds(1)));
  calls.End();
  std::thread last([&calls] { calls.End(); });
  EXPECT_TRUE(calls.AwaitNone(absl::InfiniteDuration()));
  last.join();
}

TEST(CallerTest, IsNamedAfterItsAddressWithoutPort) {
  EXPECT_EQ(PeerName("unix:"), "unix");
  EXPECT_EQ(PeerName("unix:/run/x.sock"), "unix");
  EXPECT_EQ(PeerName("ipv4:127.0.0.1:5123"), "ipv4:127.0.0.1");
  EXPECT_EQ(PeerName("ipv6:%5B::1%5D:5123"), "ipv6:%5B::1%5D");
}

}  // namespace
}  // namespace pageferry::service
