// Acts when something takes too long.

#ifndef PAGEFERRY_SERVER_DAEMON_WATCHDOG_H_
#define PAGEFERRY_SERVER_DAEMON_WATCHDOG_H_

#include <functional>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"

namespace pageferry::daemon {

// Has a thread of its own, so that it acts whatever hangs elsewhere.
class Watchdog {
 public:
  // Calls `on_expiry` unless this is destroyed within `timeout`.
  Watchdog(absl::Duration timeout, std::function<void()> on_expiry);
  ~Watchdog();

  Watchdog(const Watchdog&) = delete;
  Watchdog& operator=(const Watchdog&) = delete;

 private:
  void Watch(absl::Duration timeout, const std::function<void()>& on_expiry);

  core::Mutex mutex_;
  core::CondVar disarmed_changed_;
  bool disarmed_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_WATCHDOG_H_
