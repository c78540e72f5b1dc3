// Time, injected, so that tests of waits do not wait.

#ifndef PAGEFERRY_SERVER_CORE_CLOCK_H_
#define PAGEFERRY_SERVER_CORE_CLOCK_H_

#include "absl/time/time.h"
#include "server/core/mutex.h"

namespace pageferry::core {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;

  // Time that never jumps, from an arbitrary origin. For deadlines and lengths.
  virtual absl::Duration Monotonic() const = 0;

  // Time of day. For people.
  virtual absl::Time WallTime() const = 0;

  // Releases `mutex`, waits until `condition` is notified or `timeout` has
  // passed, and takes `mutex` again. May return early without cause.
  virtual void WaitFor(Mutex* mutex, CondVar* condition, absl::Duration timeout)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) = 0;
};

// The clock of the machine (CLOCK_MONOTONIC, CLOCK_REALTIME).
class SystemClock final : public Clock {
 public:
  absl::Duration Monotonic() const override;
  absl::Time WallTime() const override;
  void WaitFor(Mutex* mutex, CondVar* condition,
               absl::Duration timeout) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);
};

// A clock that stands still but for Advance() and waits: a wait returns at once
// and its timeout has passed. Starts at 1970-01-01 and 0.
class FakeClock final : public Clock {
 public:
  absl::Duration Monotonic() const override;
  absl::Time WallTime() const override;
  void WaitFor(Mutex* mutex, CondVar* condition,
               absl::Duration timeout) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex);

  void Advance(absl::Duration step);

 private:
  mutable Mutex mutex_;
  absl::Duration now_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_CLOCK_H_
