#include "server/service/validation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/limits.h"
#include "server/core/refusal.h"
#include "server/service/page_fields.h"
#include "server/service/violations.h"

namespace pageferry::service {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1'000;

void CheckCgroup(const std::string& path, Violations* violations) {
  if (path.empty() || path.front() != '/') {
    violations->Add("target.cgroup",
                    absl::StrCat("is \"", path, "\"; must begin with a '/'"));
  }
  if (path.size() > core::kMaxCgroupPathCharacters) {
    violations->Add("target.cgroup",
                    absl::StrCat("has ", path.size(), " characters; at most ",
                                 core::kMaxCgroupPathCharacters));
  }
}

void CheckContainer(const v1::ContainerRef& container, Violations* violations) {
  if (container.namespace_().empty()) {
    violations->Add("target.container.namespace", "is missing");
  }
  if (container.pod().empty()) {
    violations->Add("target.container.pod", "is missing");
  }
}

// Checks a target that is not a process.
void CheckGroup(const v1::Target& target, Violations* violations) {
  switch (target.kind_case()) {
    case v1::Target::kCgroup:
      CheckCgroup(target.cgroup(), violations);
      return;
    case v1::Target::kPodUid:
      if (target.pod_uid().empty()) {
        violations->Add("target.pod_uid", "is empty; name the UID of a pod");
      }
      return;
    case v1::Target::kContainer:
      CheckContainer(target.container(), violations);
      return;
    case v1::Target::kProcess:
    case v1::Target::KIND_NOT_SET:
      violations->Add("target",
                      "is missing; name a process, a cgroup, a pod or a "
                      "container");
      return;
  }
}

}  // namespace

absl::StatusOr<MigratePagesPlan> PlanMigratePages(
    const v1::MigratePagesRequest& request,
    absl::Span<const core::NodeId> memory_nodes,
    absl::Duration default_initial_backoff) {
  Violations violations;
  MigratePagesPlan plan;
  plan.process =
      ReadProcess(request.has_process() ? &request.process() : nullptr,
                  "process", &violations);
  plan.pages = ReadBatches(request.batches(), memory_nodes, &violations);
  plan.how =
      ReadOptions(request.options(), default_initial_backoff, &violations);
  CheckRequestId(request.request_id(), &violations);
  if (absl::Status status = violations.ToStatus(); !status.ok()) return status;
  plan.request_id = request.request_id();
  return plan;
}

absl::StatusOr<LocatePagesPlan> PlanLocatePages(
    const v1::LocatePagesRequest& request) {
  Violations violations;
  LocatePagesPlan plan;
  plan.all_resident = request.ranges().empty() && request.addresses().empty();
  const v1::Target& target = request.target();
  if (target.has_process()) {
    plan.process =
        ReadProcess(&target.process(), "target.process", &violations);
  } else {
    CheckGroup(target, &violations);
    if (violations.empty() && !plan.all_resident) {
      violations.Add("target",
                     "is a group of processes; a list of pages asks for one "
                     "process");
    }
  }
  plan.pages = ReadPages(request.ranges(), request.addresses(), &violations);
  if (absl::Status status = violations.ToStatus(); !status.ok()) return status;
  if (!target.has_process()) {
    return core::Refuse(core::RefusalReason::kUnsupported,
                        "this version locates pages of one process only: name "
                        "target.process instead of a cgroup, pod or container");
  }
  return plan;
}

absl::StatusOr<uint32_t> PlanPageSize(
    const v1::ListMigrationsRequest& request) {
  if (request.page_size() > kMaxPageSize) {
    Violations violations;
    violations.Add("page_size", absl::StrCat("is ", request.page_size(),
                                             "; at most ", kMaxPageSize));
    return violations.ToStatus();
  }
  return request.page_size() == 0 ? kDefaultPageSize : request.page_size();
}

}  // namespace pageferry::service
