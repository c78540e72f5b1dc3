#include "server/core/registry.h"

#include <string>
#include <thread>
#include <utility>

#include "gtest/gtest.h"
#include "server/core/refusal.h"

namespace pageferry::core {
namespace {

MigrationRequest Request(Mode mode = Mode::kAsync, std::string request_id = "",
                         std::string caller = "someone") {
  MigrationRequest request;
  request.mode = mode;
  request.request_id = std::move(request_id);
  request.caller = std::move(caller);
  return request;
}

class RegistryTest : public ::testing::Test {
 protected:
  std::shared_ptr<Migration> Admit(MigrationRequest request) {
    absl::StatusOr<std::shared_ptr<Migration>> admitted =
        registry_.Admit(std::move(request));
    EXPECT_TRUE(admitted.ok()) << admitted.status();
    return admitted.ok() ? *admitted : nullptr;
  }

  FakeClock clock_;
  MigrationRegistry registry_{{.max_in_flight = 2,
                               .max_sync_in_flight = 1,
                               .max_queued = 3,
                               .max_ended = 2},
                              &clock_};
};

TEST_F(RegistryTest, RunsInOrderOfAdmission) {
  const auto first = Admit(Request());
  const auto second = Admit(Request());
  EXPECT_EQ(first->state(), MigrationState::kQueued);
  EXPECT_EQ(registry_.NextToRun(), first);
  EXPECT_EQ(first->state(), MigrationState::kRunning);
  EXPECT_EQ(registry_.NextToRun(), second);
  EXPECT_EQ(registry_.NextToRun(), nullptr);
}

TEST_F(RegistryTest, KeepsAThreadFromSyncMigrations) {
  const auto sync = Admit(Request(Mode::kSync));
  const auto waiting = Admit(Request(Mode::kSync));
  const auto async = Admit(Request(Mode::kAsync));
  EXPECT_EQ(registry_.NextToRun(), sync);
  EXPECT_EQ(registry_.NextToRun(), async);
  registry_.End(async, {});
  EXPECT_EQ(registry_.NextToRun(), nullptr);
  registry_.End(sync, {});
  EXPECT_EQ(registry_.NextToRun(), waiting);
}

TEST_F(RegistryTest, RefusesWithADelayWhenTheQueueIsFull) {
  for (int i = 0; i < 3; ++i) Admit(Request());
  const auto refused = registry_.Admit(Request());
  ASSERT_FALSE(refused.ok());
  const Refusal refusal = RefusalOf(refused.status());
  EXPECT_EQ(refusal.reason, RefusalReason::kTooManyMigrations);
  EXPECT_TRUE(refusal.retry_delay.has_value());
  registry_.NextToRun();
  EXPECT_TRUE(registry_.Admit(Request()).ok());
}

TEST_F(RegistryTest, RefusesADoubleOfARequestThatIsQueuedOrRuns) {
  const auto first = Admit(Request(Mode::kAsync, "nightly"));
  for (int round = 0; round < 2; ++round) {
    const auto refused = registry_.Admit(Request(Mode::kAsync, "nightly"));
    ASSERT_FALSE(refused.ok());
    const Refusal refusal = RefusalOf(refused.status());
    EXPECT_EQ(refusal.reason, RefusalReason::kRequestIdRunning);
    EXPECT_EQ(refusal.migration_id, first->id());
    EXPECT_TRUE(refusal.retry_delay.has_value());
    registry_.NextToRun();  // the second round finds it running
  }
  registry_.End(first, {});
  EXPECT_TRUE(registry_.Admit(Request(Mode::kAsync, "nightly")).ok());
}

TEST_F(RegistryTest, RequestIdsOfDifferentCallersDoNotClash) {
  Admit(Request(Mode::kAsync, "nightly", "one"));
  EXPECT_TRUE(registry_.Admit(Request(Mode::kAsync, "nightly", "two")).ok());
}

TEST_F(RegistryTest, AWithdrawnMigrationLeavesNoTrace) {
  const auto migration = Admit(Request(Mode::kAsync, "nightly"));
  registry_.NextToRun();
  registry_.Withdraw(migration);
  EXPECT_TRUE(registry_.List().empty());
  EXPECT_TRUE(registry_.Admit(Request(Mode::kAsync, "nightly")).ok());
}

TEST_F(RegistryTest, ListsTheNewestFirstAndForgetsTheOldest) {
  for (int i = 0; i < 3; ++i) {
    const auto migration = Admit(Request());
    registry_.NextToRun();
    MigrationSummary summary;
    summary.moved_pages = static_cast<uint64_t>(i);
    registry_.End(migration, summary);
  }
  const auto waiting = Admit(Request());
  const auto all = registry_.List();
  ASSERT_EQ(all.size(), 3u);
  EXPECT_EQ(all[0], waiting);
  EXPECT_EQ(all[1]->progress().moved_pages, 2u);
  EXPECT_EQ(all[2]->progress().moved_pages, 1u);
  EXPECT_EQ(registry_.Find(all[1]->id()), all[1]);
  EXPECT_EQ(registry_.Find("unknown"), nullptr);
}

TEST_F(RegistryTest, IdsDifferBetweenDaemons) {
  MigrationRegistry other({}, &clock_);
  EXPECT_NE(Admit(Request())->id(), (*other.Admit(Request()))->id());
}

TEST_F(RegistryTest, TheTimeBudgetRunsFromAdmission) {
  clock_.Advance(absl::Seconds(5));
  MigrationRequest request = Request();
  request.time_budget = absl::Seconds(2);
  const auto migration = Admit(std::move(request));
  EXPECT_EQ(migration->control().deadline(), absl::Seconds(7));
}

TEST_F(RegistryTest, DrainStopsWhatIsThereAndRefusesWhatComes) {
  const auto running = Admit(Request());
  registry_.NextToRun();
  const auto queued = Admit(Request());
  registry_.BeginDrain();
  EXPECT_EQ(running->control().stop(), StopReason::kDraining);
  EXPECT_EQ(queued->control().stop(), StopReason::kDraining);
  const auto refused = registry_.Admit(Request());
  EXPECT_EQ(RefusalOf(refused.status()).reason, RefusalReason::kShuttingDown);
  EXPECT_FALSE(registry_.AwaitIdle(absl::Seconds(1)));
  registry_.End(running, {});
  registry_.NextToRun();
  registry_.End(queued, {});
  EXPECT_TRUE(registry_.AwaitIdle(absl::Seconds(1)));
}

TEST_F(RegistryTest, CountsByMode) {
  Admit(Request(Mode::kSync));
  Admit(Request(Mode::kAsync));
  registry_.NextToRun();
  EXPECT_EQ(registry_.running(Mode::kSync), 1u);
  EXPECT_EQ(registry_.queued(Mode::kSync), 0u);
  EXPECT_EQ(registry_.queued(Mode::kAsync), 1u);
}

TEST(RegistryThreadsTest, AwaitIdleWakesWhenTheLastMigrationEnds) {
  SystemClock clock;
  MigrationRegistry registry({}, &clock);
  const auto migration = *registry.Admit(Request());
  registry.NextToRun();
  std::thread ender([&] { registry.End(migration, {}); });
  EXPECT_TRUE(registry.AwaitIdle(absl::InfiniteDuration()));
  ender.join();
}

}  // namespace
}  // namespace pageferry::core
