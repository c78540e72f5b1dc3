#include "server/core/control.h"

#include <algorithm>

namespace pageferry::core {

MigrationControl::MigrationControl(Clock* clock, absl::Duration deadline)
    : clock_(clock), deadline_(deadline) {}

void MigrationControl::RequestStop(StopReason reason) {
  MutexLock lock(&mutex_);
  if (stop_ == StopReason::kNone) stop_ = reason;
  stop_requested_.NotifyAll();
}

StopReason MigrationControl::stop() const {
  MutexLock lock(&mutex_);
  if (stop_ == StopReason::kNone && clock_->Monotonic() >= deadline_) {
    stop_ = StopReason::kTimeBudget;
  }
  return stop_;
}

void MigrationControl::Pause(absl::Duration length) const {
  MutexLock lock(&mutex_);
  const absl::Duration end = std::min(clock_->Monotonic() + length, deadline_);
  while (stop_ == StopReason::kNone) {
    const absl::Duration left = end - clock_->Monotonic();
    if (left <= absl::ZeroDuration()) return;
    clock_->WaitFor(&mutex_, &stop_requested_, left);
  }
}

}  // namespace pageferry::core
