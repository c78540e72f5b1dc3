// Threads store to memory and check it while it migrates back and forth, in all
// modes, with faults on. Short by default; PAGEFERRY_STRESS_SECONDS makes it
// longer.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/model/worker_threads.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Mode;
using testing::IsEmpty;

constexpr uint64_t kSharedPages = 8192;
constexpr uint64_t kPrivatePages = 6144;
constexpr uint64_t kSwapCachedPages = 1024;
constexpr uint64_t kHugePages = 1024;  // base pages, in two huge ones
constexpr uint64_t kSharedStart = 0x10000;
constexpr uint64_t kPrivateStart = 0x20000;
constexpr uint64_t kSwapCachedStart = 0x30000;
constexpr uint64_t kHugeStart = 0x40000;

// Two processes that share a file, one with private, huge and swap-cached
// memory besides. Faults of all kinds that leave the pages there, some of them
// for ever new tries.
std::string Scenario() {
  const auto at = [](uint64_t page) { return page * core::kPageBytes; };
  return absl::StrCat(
      "seed: 7\n"
      "nodes { id: 0 capacity_pages: 24576 }\n"
      "nodes { id: 1 capacity_pages: 24576 }\n"
      "files { name: 'shared' pages: ",
      kSharedPages,
      " migrate: MIGRATE_OPERATION_BUFFER private_data: true"
      " placements { node: 0 } placements { node: 1 } }\n"
      "processes { pid: 10 regions { start_address: ",
      at(kSharedStart), " pages: ", kSharedPages,
      " kind: REGION_KIND_FILE source: 'shared' }",
      " regions { start_address: ", at(kPrivateStart),
      " pages: ", kPrivatePages, " placements { node: 0 } }",
      " regions { start_address: ", at(kSwapCachedStart),
      " pages: ", kSwapCachedPages,
      " swap_cached: true placements { node: 0 } }",
      " regions { start_address: ", at(kHugeStart), " pages: ", kHugePages,
      " kind: REGION_KIND_HUGE placements { node: 0 } } }\n"
      "processes { pid: 11 regions { start_address: ",
      at(kSharedStart + 3), " pages: ", kSharedPages,
      " kind: REGION_KIND_FILE source: 'shared' } }\n"
      "random_page_faults { pid: 10 per_mille: 100 max_tries: 4"
      " max_from_try: 40 kinds: PAGE_FAULT_KIND_LOCK"
      " kinds: PAGE_FAULT_KIND_WRITEBACK kinds: PAGE_FAULT_KIND_PIN"
      " kinds: PAGE_FAULT_KIND_BUFFER_LOCK kinds: PAGE_FAULT_KIND_NUMA_HINT"
      " kinds: PAGE_FAULT_KIND_ISOLATE }\n");
}

absl::Duration StressTime() {
  const char* const seconds = std::getenv("PAGEFERRY_STRESS_SECONDS");
  double value = 0;
  if (seconds != nullptr && absl::SimpleAtod(seconds, &value)) {
    return absl::Seconds(value);
  }
  return absl::Seconds(2);
}

// Has the books checked after each pass, while the threads stand still.
void CheckAfterEachPass(TestModel& model, Request& request, uint64_t* checks) {
  request.after_pass = [&model, checks] {
    World& world = model.backend->world();
    const bool held = world.threads().Hold(absl::Minutes(1));
    const std::vector<std::string> broken = BrokenInvariants(world);
    EXPECT_THAT(broken, IsEmpty());
    // Nobody can end a thread that waits for an entry that was left behind.
    if (!held) std::abort();
    world.threads().LetGo();
    ++*checks;
  };
}

// Eight threads: three on the file through one process and two through the
// other, and one on each of the private parts.
void StartThreads(TestModel& model, WorkerThreads& threads) {
  const auto start = [&](int32_t pid, uint64_t page, uint64_t pages) {
    threads.Start({&model.space(pid), Pages(page, pages), false, {}});
  };
  for (int pid : {10, 11, 10, 11, 10}) {
    start(pid, pid == 10 ? kSharedStart : kSharedStart + 3, kSharedPages);
  }
  start(10, kPrivateStart, kPrivatePages);
  start(10, kSwapCachedStart, kSwapCachedPages);
  start(10, kHugeStart, kHugePages);
}

// After Stop(): every thread got to its end and has found all its stores.
void ExpectNothingWasLost(const WorkerThreads& threads) {
  EXPECT_EQ(threads.ended_early(), 0u);
  EXPECT_EQ(threads.lost_stores(), 0u);
  EXPECT_GT(threads.stores(), 0u);
}

// A process with one thread that stores to 64 pages and has been to most.
class WorkerThreadsTest : public testing::Test {
 protected:
  static constexpr uint64_t kPages = 64;

  void SetUp() override {
    threads_.Start({&model_.space(10), Pages(0x100, kPages), false, {}});
    while (threads_.stores() < 10 * kPages) std::this_thread::yield();
    ASSERT_TRUE(threads_.Hold(absl::Minutes(1)));
  }

  core::SystemClock clock_;
  TestModel model_{R"pb(
                     nodes { id: 0 capacity_pages: 256 }
                     processes {
                       pid: 10
                       regions {
                         start_address: 0x100000
                         pages: 64
                         placements { node: 0 }
                       }
                     }
                   )pb",
                   &clock_};
  WorkerThreads& threads_ = model_.backend->world().threads();
};

TEST_F(WorkerThreadsTest, TheLastLookFindsEveryStoreThatIsNotThere) {
  for (uint64_t page = 0; page < kPages; ++page) {
    ASSERT_EQ(model_.space(10).Store(core::VirtualAddress::OfPage(0x100 + page),
                                     ~uint64_t{0}),
              Access::kDone);
  }
  EXPECT_EQ(threads_.lost_stores(), 0u);
  threads_.Stop();
  EXPECT_GT(threads_.lost_stores(), kPages / 2);
  EXPECT_LE(threads_.lost_stores(), kPages);
  EXPECT_EQ(threads_.ended_early(), 0u);
}

TEST_F(WorkerThreadsTest, AnEndBeforeTheStopIsCountedAndIsNoLoss) {
  model_.backend->world().processes().at(10)->Exit();
  threads_.Stop();
  threads_.Stop();
  EXPECT_EQ(threads_.ended_early(), 1u);
  EXPECT_EQ(threads_.lost_stores(), 0u);
}

TEST(LostStoreStressTest, LosesNoStoreWhileEverythingMovesBackAndForth) {
  core::SystemClock clock;
  TestModel model(Scenario(), &clock);
  WorkerThreads& threads = model.backend->world().threads();
  StartThreads(model, threads);
  const std::vector<core::PageRun> everything = {
      Pages(kSharedStart, kSharedPages), Pages(kPrivateStart, kPrivatePages),
      Pages(kSwapCachedStart, kSwapCachedPages), Pages(kHugeStart, kHugePages)};
  constexpr Mode kModes[] = {Mode::kAsync, Mode::kSyncLight, Mode::kSync};
  const absl::Duration end = clock.Monotonic() + StressTime();
  uint64_t moved = 0;
  uint64_t requested = 0;
  uint64_t passes = 0;
  uint64_t checks = 0;
  int round = 0;
  do {
    Request request = Move(everything, kModes[round % 3]);
    request.parameters.move_shared = true;
    request.nodes = {round % 2 == 0 ? 1 : 0};
    CheckAfterEachPass(model, request, &checks);
    const Observed observed = Migrate(model, request);
    passes += observed.passes.size();
    moved += observed.summary.moved_pages;
    requested += observed.summary.requested_pages;
    EXPECT_EQ(observed.repeated_pages, 0u);
    ++round;
    // A machine whose books are wrong is not worth going on with.
  } while ((clock.Monotonic() < end || round < 3) && !HasFailure());
  threads.Stop();

  ExpectNothingWasLost(threads);
  EXPECT_GT(moved, requested / 2);
  EXPECT_EQ(checks, passes);
  model.backend->world().faults().EndAllHolds();
  EXPECT_THAT(BrokenInvariantsAtRest(model.backend->world()), IsEmpty());
  RecordProperty("migrations", round);
  RecordProperty("moved_pages", std::to_string(moved));
  RecordProperty("stores", std::to_string(threads.stores()));
  std::cout << round << " migrations in " << passes << " passes, " << moved
            << " pages moved, " << threads.stores() << " stores\n";
}

TEST(LostStoreStressTest, LosesNoStoreOfProcessesThatShareCopyOnWrite) {
  core::SystemClock clock;
  TestModel model(R"pb(
                    nodes { id: 0 capacity_pages: 4096 }
                    nodes { id: 1 capacity_pages: 4096 }
                    processes {
                      pid: 10
                      regions {
                        start_address: 0x100000
                        pages: 512
                        placements { node: 0 }
                      }
                    }
                    processes { pid: 11 fork_of: 10 }
                    processes { pid: 12 fork_of: 11 }
                  )pb",
                  &clock);
  WorkerThreads& threads = model.backend->world().threads();
  for (int32_t pid : {10, 11, 12}) {
    threads.Start({&model.space(pid), Pages(0x100, 512), false, {}});
  }
  uint64_t moved = 0;
  uint64_t checks = 0;
  for (int round = 0; round < 24; ++round) {
    Request request = Move({Pages(0x100, 512)}, Mode::kSync);
    request.pid = 10 + round % 3;
    request.parameters.move_shared = true;
    request.nodes = {round % 2 == 0 ? 1 : 0};
    CheckAfterEachPass(model, request, &checks);
    moved += Migrate(model, request).summary.moved_pages;
  }
  threads.Stop();
  ExpectNothingWasLost(threads);
  EXPECT_GT(moved, 0u);
  EXPECT_THAT(BrokenInvariantsAtRest(model.backend->world()), IsEmpty());
}

TEST(LostStoreStressTest, TwoMigrationsOfOneProcessStayOutOfEachOthersWay) {
  core::SystemClock clock;
  TestModel model(Scenario(), &clock);
  StartThreads(model, model.backend->world().threads());
  const auto migrate = [&model](int first_node) {
    for (int round = 0; round < 4; ++round) {
      Request request = Move({Pages(kPrivateStart, kPrivatePages)});
      request.nodes = {(round + first_node) % 2};
      EXPECT_EQ(Migrate(model, request).repeated_pages, 0u);
    }
  };
  std::thread other(migrate, 0);
  migrate(1);
  other.join();
  model.backend->world().threads().Stop();
  ExpectNothingWasLost(model.backend->world().threads());
  model.backend->world().faults().EndAllHolds();
  EXPECT_THAT(BrokenInvariantsAtRest(model.backend->world()), IsEmpty());
}

}  // namespace
}  // namespace pageferry::model
