// Requests as bytes from the wire: each is planned within the limits, or
// refused with every violation named.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "pageferry/v1/migration.pb.h"
#include "server/core/limits.h"
#include "server/core/refusal.h"
#include "server/service/validation.h"

namespace core = pageferry::core;
namespace service = pageferry::service;
namespace v1 = pageferry::v1;

namespace {

void CheckRefusal(const absl::Status& status) {
  const core::Refusal refusal = core::RefusalOf(status);
  if (refusal.message.empty()) abort();
  if (refusal.reason == core::RefusalReason::kUnsupported) return;
  if (refusal.reason != core::RefusalReason::kInvalidRequest) abort();
  if (refusal.violations.empty()) abort();
  for (const core::Violation& violation : refusal.violations) {
    if (violation.field.empty() || violation.description.empty()) abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const core::NodeId nodes[] = {core::NodeId(0), core::NodeId(1)};
  v1::MigratePagesRequest request;
  if (request.ParseFromArray(data, static_cast<int>(size))) {
    const auto plan =
        service::PlanMigratePages(request, nodes, core::kDefaultInitialBackoff);
    if (!plan.ok()) {
      CheckRefusal(plan.status());
    } else if (plan->pages.page_count() == 0 ||
               plan->pages.page_count() > core::kMaxRequestPages ||
               plan->request_id.size() > core::kMaxRequestIdCharacters) {
      abort();
    }
  }
  v1::LocatePagesRequest look;
  if (look.ParseFromArray(data, static_cast<int>(size))) {
    const auto plan = service::PlanLocatePages(look);
    if (!plan.ok()) CheckRefusal(plan.status());
  }
  return 0;
}
