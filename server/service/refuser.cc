#include "server/service/refuser.h"

#include "server/core/refusal.h"
#include "server/service/errors.h"

namespace pageferry::service {

grpc::Status Refuser::Refuse(absl::string_view method, absl::string_view caller,
                             const absl::Status& status) const {
  const core::Refusal refusal = core::RefusalOf(status);
  telemetry_->OnRequestRejected(refusal.reason);
  const std::string reason = RefusalReasonName(refusal.reason);
  if (refusal.reason == core::RefusalReason::kInternal) {
    log_->Error("call failed: a defect", {{"method", method},
                                          {"caller", caller},
                                          {"reason", reason},
                                          {"error", refusal.message}});
  } else {
    log_->Info("call refused", {{"method", method},
                                {"caller", caller},
                                {"reason", reason},
                                {"error", refusal.message}});
  }
  return ToGrpcStatus(status);
}

}  // namespace pageferry::service
