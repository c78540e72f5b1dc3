#include "server/service/validation.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "server/core/limits.h"
#include "server/core/refusal.h"
#include "server/service/page_fields.h"
#include "server/service/violations.h"

namespace pageferry::service {
namespace {

constexpr uint32_t kDefaultPageSize = 100;
constexpr uint32_t kMaxPageSize = 1'000;

// The path without a '/' at its end.
std::string ReadCgroup(const std::string& path, Violations* violations) {
  constexpr char kField[] = "target.cgroup";
  if (path.empty() || path.front() != '/') {
    violations->Add(kField,
                    absl::StrCat("is \"", path, "\"; must begin with a '/'"));
  }
  if (path.find('\0') != std::string::npos) {
    violations->Add(kField, "holds a character of value 0");
  }
  if (path.size() > core::kMaxCgroupPathCharacters) {
    violations->Add(kField,
                    absl::StrCat("has ", path.size(), " characters; at most ",
                                 core::kMaxCgroupPathCharacters));
  }
  std::vector<std::string> names = absl::StrSplit(path, '/', absl::SkipEmpty());
  for (const std::string& name : names) {
    if (name != "." && name != "..") continue;
    violations->Add(kField, absl::StrCat("is \"", path,
                                         "\"; name the cgroup without \".\" "
                                         "and \"..\""));
    break;
  }
  return absl::StrCat("/", absl::StrJoin(names, "/"));
}

void CheckContainer(const v1::ContainerRef& container, Violations* violations) {
  if (container.namespace_().empty()) {
    violations->Add("target.container.namespace", "is missing");
  }
  if (container.pod().empty()) {
    violations->Add("target.container.pod", "is missing");
  }
}

// Reads a target of any kind. Pods and containers leave the name empty.
TargetName ReadTarget(const v1::Target& target, Violations* violations) {
  TargetName name;
  switch (target.kind_case()) {
    case v1::Target::kProcess:
      name.process =
          ReadProcess(&target.process(), "target.process", violations);
      break;
    case v1::Target::kCgroup:
      name.cgroup = ReadCgroup(target.cgroup(), violations);
      break;
    case v1::Target::kPodUid:
      if (target.pod_uid().empty()) {
        violations->Add("target.pod_uid", "is empty; name the UID of a pod");
      }
      break;
    case v1::Target::kContainer:
      CheckContainer(target.container(), violations);
      break;
    case v1::Target::KIND_NOT_SET:
      violations->Add("target",
                      "is missing; name a process, a cgroup, a pod or a "
                      "container");
      break;
  }
  return name;
}

// Refuses the kinds of targets that are not resolved.
absl::Status CheckSupported(const v1::Target& target) {
  if (target.has_process() || target.has_cgroup()) return absl::OkStatus();
  return core::Refuse(core::RefusalReason::kUnsupported,
                      "this version does not resolve pods and containers: name "
                      "target.process or target.cgroup instead");
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

absl::StatusOr<MigrateProcessPlan> PlanMigrateProcess(
    const v1::MigrateProcessRequest& request,
    absl::Span<const core::NodeId> memory_nodes,
    absl::Duration default_initial_backoff) {
  Violations violations;
  MigrateProcessPlan plan;
  plan.target = ReadTarget(request.target(), &violations);
  const std::vector<core::NodeId> sources = ReadNodeSet(
      request.source_nodes(), "source_nodes", memory_nodes, &violations);
  const std::vector<core::NodeId> destinations =
      ReadNodeSet(request.destination_nodes(), "destination_nodes",
                  memory_nodes, &violations);
  // A page on such a node would be found there and moved once more.
  const std::vector<core::NodeId> fallback_nodes =
      ReadFallbackNodes(request.fallback_nodes(), "fallback_nodes",
                        memory_nodes, sources, "is a source node", &violations);
  plan.how =
      ReadOptions(request.options(), default_initial_backoff, &violations);
  CheckRequestId(request.request_id(), &violations);
  absl::Status status = violations.ToStatus();
  if (status.ok()) status = CheckSupported(request.target());
  if (!status.ok()) return status;
  plan.pairs = core::PairNodes(sources, destinations, fallback_nodes);
  plan.request_id = request.request_id();
  return plan;
}

absl::StatusOr<LocatePagesPlan> PlanLocatePages(
    const v1::LocatePagesRequest& request) {
  Violations violations;
  LocatePagesPlan plan;
  plan.all_resident = request.ranges().empty() && request.addresses().empty();
  plan.target = ReadTarget(request.target(), &violations);
  if (violations.empty() && !request.target().has_process() &&
      !plan.all_resident) {
    violations.Add("target",
                   "is a group of processes; a list of pages asks for one "
                   "process");
  }
  plan.pages = ReadPages(request.ranges(), request.addresses(), &violations);
  absl::Status status = violations.ToStatus();
  if (status.ok()) status = CheckSupported(request.target());
  if (!status.ok()) return status;
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
