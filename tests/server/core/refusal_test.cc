#include "server/core/refusal.h"

#include "gtest/gtest.h"

namespace pageferry::core {
namespace {

TEST(RefusalTest, SurvivesBeingAStatus) {
  Refusal refusal;
  refusal.reason = RefusalReason::kRequestIdRunning;
  refusal.message = "it runs";
  refusal.retry_delay = absl::Milliseconds(200);
  refusal.migration_id = "abc-1";
  refusal.missing = "CAP_SYS_NICE";
  refusal.violations = {{"batches[0]", "has no pages"}, {"options.mode", ""}};
  const absl::Status status = ToStatus(refusal);
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(status.message(), "it runs");
  const Refusal back = RefusalOf(status);
  EXPECT_EQ(back.reason, refusal.reason);
  EXPECT_EQ(back.retry_delay, refusal.retry_delay);
  EXPECT_EQ(back.migration_id, "abc-1");
  EXPECT_EQ(back.missing, "CAP_SYS_NICE");
  ASSERT_EQ(back.violations.size(), 2u);
  EXPECT_EQ(back.violations[0].field, "batches[0]");
  EXPECT_EQ(back.violations[0].description, "has no pages");
  EXPECT_EQ(back.violations[1].description, "");
}

TEST(RefusalTest, WithoutADelayThereIsNone) {
  EXPECT_FALSE(RefusalOf(Refuse(RefusalReason::kNotReady, "no"))
                   .retry_delay.has_value());
}

TEST(RefusalTest, HostileTextDoesNotForgeFields) {
  Refusal refusal;
  refusal.reason = RefusalReason::kInvalidRequest;
  refusal.violations = {{"request_id",
                         "\x1f"
                         "forged\x1f"}};
  const Refusal back = RefusalOf(ToStatus(refusal));
  ASSERT_EQ(back.violations.size(), 1u);
  EXPECT_EQ(back.violations[0].description, " forged ");
}

TEST(RefusalTest, AnyOtherStatusIsInternal) {
  const Refusal refusal = RefusalOf(absl::UnknownError("odd"));
  EXPECT_EQ(refusal.reason, RefusalReason::kInternal);
  EXPECT_EQ(refusal.message, "odd");
}

}  // namespace
}  // namespace pageferry::core
