// Bounds the bytes a second that migrations move.

#ifndef PAGEFERRY_SERVER_CORE_RATE_LIMITER_H_
#define PAGEFERRY_SERVER_CORE_RATE_LIMITER_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"

namespace pageferry::core {

// A token bucket that may be overdrawn: what a batch has moved is taken out
// afterwards, and the next batch waits until the debt is paid. So the average
// holds whatever the size of a folio. The bucket holds a tenth of a second's
// bytes. Thread-safe.
class RateLimiter {
 public:
  // `bytes_per_second` must be positive.
  explicit RateLimiter(uint64_t bytes_per_second);

  // Takes out `bytes` that were moved. `now` is by Clock::Monotonic().
  void Consume(uint64_t bytes, absl::Duration now);

  // How long from `now` until the next batch may begin; zero if at once.
  absl::Duration DelayUntilReady(absl::Duration now);

  // Bytes that a batch should move at most, so that its debt is paid in about a
  // tenth of a second.
  uint64_t burst_bytes() const { return burst_bytes_; }

 private:
  void Refill(absl::Duration now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const double bytes_per_second_;
  const uint64_t burst_bytes_;
  Mutex mutex_;
  double tokens_ ABSL_GUARDED_BY(mutex_);
  absl::Duration refilled_at_ ABSL_GUARDED_BY(mutex_) =
      -absl::InfiniteDuration();
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_RATE_LIMITER_H_
