// How a running migration is told to stop.

#ifndef PAGEFERRY_SERVER_CORE_CONTROL_H_
#define PAGEFERRY_SERVER_CORE_CONTROL_H_

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/clock.h"
#include "server/core/mutex.h"
#include "server/core/types.h"

namespace pageferry::core {

// One for each migration. Thread-safe.
class MigrationControl {
 public:
  // `clock` must outlive this. `deadline` is by Clock::Monotonic(): the end of
  // the time budget, or absl::InfiniteDuration().
  MigrationControl(Clock* clock, absl::Duration deadline);

  // Asks the migration to stop. The first request's reason is the one that
  // counts. Wakes a Pause(). Does not wait for the migration to end.
  void RequestStop(StopReason reason);

  // Why the migration is to stop now, or kNone. After the deadline:
  // kTimeBudget, unless another stop came first.
  StopReason stop() const;

  // Waits for `length`, or until a stop, or until the deadline. Blocks.
  void Pause(absl::Duration length) const;

  Clock& clock() const { return *clock_; }
  absl::Duration deadline() const { return deadline_; }

 private:
  Clock* const clock_;
  const absl::Duration deadline_;
  mutable Mutex mutex_;
  mutable CondVar stop_requested_;
  mutable StopReason stop_ ABSL_GUARDED_BY(mutex_) = StopReason::kNone;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_CONTROL_H_
