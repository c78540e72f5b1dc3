#include "server/daemon/watchdog.h"

#include <utility>

#include "server/core/clock.h"

namespace pageferry::daemon {

Watchdog::Watchdog(absl::Duration timeout, std::function<void()> on_expiry)
    : thread_([this, timeout, on_expiry = std::move(on_expiry)] {
        Watch(timeout, on_expiry);
      }) {}

Watchdog::~Watchdog() {
  {
    core::MutexLock lock(&mutex_);
    disarmed_ = true;
    disarmed_changed_.NotifyAll();
  }
  thread_.join();
}

void Watchdog::Watch(absl::Duration timeout,
                     const std::function<void()>& on_expiry) {
  core::SystemClock clock;
  const absl::Duration end = clock.Monotonic() + timeout;
  core::MutexLock lock(&mutex_);
  while (!disarmed_) {
    const absl::Duration left = end - clock.Monotonic();
    if (left <= absl::ZeroDuration()) {
      on_expiry();
      return;
    }
    disarmed_changed_.WaitFor(&mutex_, left);
  }
}

}  // namespace pageferry::daemon
