#include "server/service/errors.h"

#include <gtest/gtest.h>

#include <map>

#include "pageferry/v1/error.pb.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::RefusalReason;

TEST(ErrorsTest, EveryReasonHasTheCodeOfTheContract) {
  const std::map<RefusalReason, grpc::StatusCode> codes = {
      {RefusalReason::kInvalidRequest, grpc::StatusCode::INVALID_ARGUMENT},
      {RefusalReason::kProcessNotFound, grpc::StatusCode::NOT_FOUND},
      {RefusalReason::kProcessReplaced, grpc::StatusCode::NOT_FOUND},
      {RefusalReason::kCgroupNotFound, grpc::StatusCode::NOT_FOUND},
      {RefusalReason::kPodNotFound, grpc::StatusCode::NOT_FOUND},
      {RefusalReason::kMigrationNotFound, grpc::StatusCode::NOT_FOUND},
      {RefusalReason::kTargetNotMovable, grpc::StatusCode::FAILED_PRECONDITION},
      {RefusalReason::kNodeNotAllowed, grpc::StatusCode::FAILED_PRECONDITION},
      {RefusalReason::kRoleLacksRpc, grpc::StatusCode::PERMISSION_DENIED},
      {RefusalReason::kTargetNotAllowed, grpc::StatusCode::PERMISSION_DENIED},
      {RefusalReason::kKernelRefuses, grpc::StatusCode::PERMISSION_DENIED},
      {RefusalReason::kNoCredentials, grpc::StatusCode::UNAUTHENTICATED},
      {RefusalReason::kTooManyMigrations, grpc::StatusCode::RESOURCE_EXHAUSTED},
      {RefusalReason::kRequestIdRunning, grpc::StatusCode::ALREADY_EXISTS},
      {RefusalReason::kShuttingDown, grpc::StatusCode::UNAVAILABLE},
      {RefusalReason::kNotReady, grpc::StatusCode::UNAVAILABLE},
      {RefusalReason::kUnsupported, grpc::StatusCode::UNIMPLEMENTED},
      {RefusalReason::kInternal, grpc::StatusCode::INTERNAL},
  };
  EXPECT_EQ(codes.size(), static_cast<size_t>(v1::ErrorReason_MAX));
  for (const auto& [reason, code] : codes) {
    const grpc::Status status =
        ToGrpcStatus(core::Refuse(reason, "what, and how to mend it"));
    EXPECT_EQ(status.error_code(), code) << RefusalReasonName(reason);
    EXPECT_EQ(status.error_message(), "what, and how to mend it");
    EXPECT_EQ(DetailOf(status).reason(), static_cast<int>(reason));
  }
}

TEST(ErrorsTest, CarriesEverythingThatARefusalSays) {
  core::Refusal refusal;
  refusal.reason = RefusalReason::kRequestIdRunning;
  refusal.message = "runs";
  refusal.violations = {{"batches[0]", "is bad"}, {"process.pid", "is 0"}};
  refusal.retry_delay = absl::Milliseconds(1500);
  refusal.migration_id = "abc-1";
  refusal.missing = "CAP_SYS_NICE";
  const v1::ErrorDetail detail =
      DetailOf(ToGrpcStatus(core::ToStatus(refusal)));
  ASSERT_EQ(detail.violations_size(), 2);
  EXPECT_EQ(detail.violations(0).field(), "batches[0]");
  EXPECT_EQ(detail.violations(1).description(), "is 0");
  EXPECT_EQ(detail.retry_delay().seconds(), 1);
  EXPECT_EQ(detail.retry_delay().nanos(), 500'000'000);
  EXPECT_EQ(detail.migration_id(), "abc-1");
  EXPECT_EQ(detail.missing(), "CAP_SYS_NICE");
}

TEST(ErrorsTest, WithoutARetryDelayThereIsNone) {
  EXPECT_FALSE(DetailOf(ToGrpcStatus(core::Refuse(
                            RefusalReason::kInvalidRequest, "bad")))
                   .has_retry_delay());
}

TEST(ErrorsTest, AStatusThatIsNoRefusalIsADefect) {
  const grpc::Status status = ToGrpcStatus(absl::NotFoundError("lost"));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(status.error_message(), "lost");
  EXPECT_EQ(DetailOf(status).reason(), v1::ERROR_REASON_INTERNAL);
}

TEST(ErrorsTest, OkStaysOk) {
  EXPECT_TRUE(ToGrpcStatus(absl::OkStatus()).ok());
}

TEST(ErrorsTest, NamesAreThoseOfTheContractWithoutPrefix) {
  EXPECT_EQ(RefusalReasonName(RefusalReason::kInvalidRequest),
            "INVALID_REQUEST");
  EXPECT_EQ(RefusalReasonName(RefusalReason::kTooManyMigrations),
            "TOO_MANY_MIGRATIONS");
}

}  // namespace
}  // namespace pageferry::service
