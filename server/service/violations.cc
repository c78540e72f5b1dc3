#include "server/service/violations.h"

#include "absl/strings/str_cat.h"

namespace pageferry::service {

absl::Status Violations::ToStatus() const {
  if (violations_.empty()) return absl::OkStatus();
  core::Refusal refusal;
  refusal.reason = core::RefusalReason::kInvalidRequest;
  refusal.message = absl::StrCat(violations_.front().field, ": ",
                                 violations_.front().description);
  if (violations_.size() > 1) {
    absl::StrAppend(&refusal.message, " (and ", violations_.size() - 1,
                    full() ? " or more" : "",
                    " other violations: see the details)");
  }
  refusal.violations = violations_;
  return core::ToStatus(refusal);
}

}  // namespace pageferry::service
