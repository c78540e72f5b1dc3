#include "server/core/clock.h"

#include <algorithm>
#include <chrono>

#include "absl/time/clock.h"

namespace pageferry::core {

absl::Duration SystemClock::Monotonic() const {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

absl::Time SystemClock::WallTime() const { return absl::Now(); }

void SystemClock::WaitFor(Mutex* mutex, CondVar* condition,
                          absl::Duration timeout) {
  // The standard library cannot add an infinite time to now; a year it can.
  condition->WaitFor(mutex, std::min(timeout, absl::Hours(24 * 365)));
}

absl::Duration FakeClock::Monotonic() const {
  MutexLock lock(&mutex_);
  return now_;
}

absl::Time FakeClock::WallTime() const {
  return absl::UnixEpoch() + Monotonic();
}

void FakeClock::WaitFor(Mutex*, CondVar*, absl::Duration timeout) {
  Advance(timeout);
}

void FakeClock::Advance(absl::Duration step) {
  MutexLock lock(&mutex_);
  now_ += step;
}

}  // namespace pageferry::core
