#include "server/core/control.h"

#include <thread>

#include "gtest/gtest.h"

namespace pageferry::core {
namespace {

TEST(MigrationControlTest, TheFirstStopIsTheOneThatCounts) {
  FakeClock clock;
  MigrationControl control(&clock, absl::InfiniteDuration());
  EXPECT_EQ(control.stop(), StopReason::kNone);
  control.RequestStop(StopReason::kCancelled);
  control.RequestStop(StopReason::kDraining);
  EXPECT_EQ(control.stop(), StopReason::kCancelled);
}

TEST(MigrationControlTest, TheDeadlineIsAStop) {
  FakeClock clock;
  MigrationControl control(&clock, absl::Seconds(2));
  clock.Advance(absl::Milliseconds(1999));
  EXPECT_EQ(control.stop(), StopReason::kNone);
  clock.Advance(absl::Milliseconds(1));
  EXPECT_EQ(control.stop(), StopReason::kTimeBudget);
}

TEST(MigrationControlTest, APauseEndsAtTheDeadline) {
  FakeClock clock;
  MigrationControl control(&clock, absl::Seconds(2));
  control.Pause(absl::Seconds(10));
  EXPECT_EQ(clock.Monotonic(), absl::Seconds(2));
}

TEST(MigrationControlTest, APauseAfterAStopDoesNotWait) {
  FakeClock clock;
  MigrationControl control(&clock, absl::InfiniteDuration());
  control.RequestStop(StopReason::kCancelled);
  control.Pause(absl::Seconds(10));
  EXPECT_EQ(clock.Monotonic(), absl::ZeroDuration());
}

TEST(MigrationControlTest, AStopWakesAPause) {
  SystemClock clock;
  MigrationControl control(&clock, absl::InfiniteDuration());
  std::thread waiter([&control] { control.Pause(absl::InfiniteDuration()); });
  control.RequestStop(StopReason::kDraining);
  waiter.join();  // hangs if it does not
  EXPECT_EQ(control.stop(), StopReason::kDraining);
}

}  // namespace
}  // namespace pageferry::core
