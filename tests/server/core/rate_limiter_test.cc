#include "server/core/rate_limiter.h"

#include "gtest/gtest.h"
#include "server/core/types.h"

namespace pageferry::core {
namespace {

TEST(RateLimiterTest, BeginsReady) {
  RateLimiter limiter(1000);
  EXPECT_EQ(limiter.DelayUntilReady(absl::ZeroDuration()),
            absl::ZeroDuration());
}

TEST(RateLimiterTest, WaitsUntilTheDebtIsPaid) {
  RateLimiter limiter(100 * kPageBytes);
  limiter.Consume(60 * kPageBytes, absl::ZeroDuration());  // 10 are in store
  EXPECT_EQ(limiter.DelayUntilReady(absl::ZeroDuration()),
            absl::Milliseconds(500));
  EXPECT_EQ(limiter.DelayUntilReady(absl::Milliseconds(400)),
            absl::Milliseconds(100));
  EXPECT_EQ(limiter.DelayUntilReady(absl::Milliseconds(500)),
            absl::ZeroDuration());
}

TEST(RateLimiterTest, IdleTimeEarnsNoMoreThanTheBurst) {
  RateLimiter limiter(100 * kPageBytes);
  limiter.Consume(0, absl::ZeroDuration());
  limiter.Consume(20 * kPageBytes, absl::Hours(1));
  EXPECT_EQ(limiter.DelayUntilReady(absl::Hours(1)), absl::Milliseconds(100));
}

TEST(RateLimiterTest, ABurstIsAtLeastAPage) {
  EXPECT_EQ(RateLimiter(1).burst_bytes(), kPageBytes);
}

}  // namespace
}  // namespace pageferry::core
