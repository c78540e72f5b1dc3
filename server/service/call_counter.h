// Counts the calls that are open, so that a shutdown can wait for their ends.

#ifndef PAGEFERRY_SERVER_SERVICE_CALL_COUNTER_H_
#define PAGEFERRY_SERVER_SERVICE_CALL_COUNTER_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/clock.h"
#include "server/core/mutex.h"

namespace pageferry::service {

// Thread-safe.
class CallCounter {
 public:
  // `clock` must outlive this.
  explicit CallCounter(core::Clock* clock) : clock_(clock) {}

  void Begin();
  void End();

  // Waits until no call is open, or `timeout` has passed; returns whether none
  // is. Blocks.
  bool AwaitNone(absl::Duration timeout);

 private:
  core::Clock* const clock_;
  core::Mutex mutex_;
  core::CondVar changed_;
  int64_t open_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_CALL_COUNTER_H_
