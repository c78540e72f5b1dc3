#include "server/service/errors.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "pageferry/v1/error.pb.h"
#include "server/service/conversion.h"

namespace pageferry::service {
namespace {

static_assert(static_cast<int>(core::RefusalReason::kInvalidRequest) ==
              v1::ERROR_REASON_INVALID_REQUEST);
static_assert(static_cast<int>(core::RefusalReason::kInternal) ==
              v1::ERROR_REASON_INTERNAL);
static_assert(v1::ErrorReason_MAX == v1::ERROR_REASON_INTERNAL);

v1::ErrorDetail DetailOf(const core::Refusal& refusal) {
  v1::ErrorDetail detail;
  detail.set_reason(static_cast<v1::ErrorReason>(refusal.reason));
  for (const core::Violation& violation : refusal.violations) {
    v1::FieldViolation* out = detail.add_violations();
    out->set_field(violation.field);
    out->set_description(violation.description);
  }
  if (refusal.retry_delay.has_value()) {
    *detail.mutable_retry_delay() = ToProtoDuration(*refusal.retry_delay);
  }
  detail.set_migration_id(refusal.migration_id);
  detail.set_missing(refusal.missing);
  return detail;
}

}  // namespace

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const core::Refusal refusal = core::RefusalOf(status);
  const auto code =
      static_cast<grpc::StatusCode>(core::ToStatus(refusal).code());
  v1::Status envelope;
  envelope.set_code(code);
  envelope.set_message(refusal.message);
  envelope.add_details()->PackFrom(DetailOf(refusal));
  return grpc::Status(code, refusal.message, envelope.SerializeAsString());
}

std::string RefusalReasonName(core::RefusalReason reason) {
  const std::string& name =
      v1::ErrorReason_Name(static_cast<v1::ErrorReason>(reason));
  return std::string(absl::StripPrefix(name, "ERROR_REASON_"));
}

}  // namespace pageferry::service
