#include "server/core/rate_limiter.h"

#include <algorithm>

#include "server/core/types.h"

namespace pageferry::core {

RateLimiter::RateLimiter(uint64_t bytes_per_second)
    : bytes_per_second_(static_cast<double>(bytes_per_second)),
      burst_bytes_(std::max(bytes_per_second / 10, kPageBytes)),
      tokens_(static_cast<double>(burst_bytes_)) {}

void RateLimiter::Refill(absl::Duration now) {
  if (now <= refilled_at_) return;
  if (refilled_at_ != -absl::InfiniteDuration()) {
    const double earned =
        absl::ToDoubleSeconds(now - refilled_at_) * bytes_per_second_;
    tokens_ = std::min(tokens_ + earned, static_cast<double>(burst_bytes_));
  }
  refilled_at_ = now;
}

void RateLimiter::Consume(uint64_t bytes, absl::Duration now) {
  MutexLock lock(&mutex_);
  Refill(now);
  tokens_ -= static_cast<double>(bytes);
}

absl::Duration RateLimiter::DelayUntilReady(absl::Duration now) {
  MutexLock lock(&mutex_);
  Refill(now);
  if (tokens_ >= 0) return absl::ZeroDuration();
  return absl::Seconds(-tokens_ / bytes_per_second_);
}

}  // namespace pageferry::core
