#include "server/kernel/cgroup.h"

#include <set>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/refusal.h"

namespace pageferry::kernel {
namespace {

using core::RefusalReason;

// Cgroups are as deep as their owners like; a path has at most PATH_MAX
// characters, and so many levels.
constexpr int kMostLevels = 2048;

// Adds the pids of `folder` and of all below it. A folder that vanishes
// meanwhile has none. Processes of threaded cgroups, which have no list of
// their own (EOPNOTSUPP), are listed by the cgroup above that is their domain.
absl::Status AddPids(SystemCalls& system, const std::string& folder, int level,
                     std::set<int32_t>* pids) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(system, folder + "/cgroup.procs");
  if (text.ok()) {
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      int32_t pid = 0;
      // 0 stands for a process of another pid namespace: not ours to name.
      if (absl::SimpleAtoi(line, &pid) && pid > 0) pids->insert(pid);
    }
  }
  // No descriptor left: then it is not known who is in there.
  if (absl::IsResourceExhausted(text.status())) return text.status();
  if (level >= kMostLevels) return absl::OkStatus();
  const auto names = system.ListDirectory(folder);
  if (absl::IsResourceExhausted(names.status())) return names.status();
  if (!names.ok()) return absl::OkStatus();  // no folder, or gone
  for (const std::string& name : *names) {
    const absl::Status status =
        AddPids(system, absl::StrCat(folder, "/", name), level + 1, pids);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<int32_t>> ListPids(SystemCalls& system,
                                              const std::string& cgroup_root,
                                              const std::string& path) {
  const std::string folder = path == "/" ? cgroup_root : cgroup_root + path;
  const absl::StatusOr<std::string> type =
      ReadTextFile(system, folder + "/cgroup.procs");
  if (!type.ok()) {
    if (!ReadTextFile(system, cgroup_root + "/cgroup.procs").ok()) {
      return core::Refuse(
          RefusalReason::kUnsupported,
          absl::StrCat("no cgroup hierarchy of version 2 is mounted on ",
                       cgroup_root, "; name processes, or mount it there"));
    }
    if (system.ListDirectory(folder).ok()) {
      return core::Refuse(
          RefusalReason::kTargetNotMovable,
          absl::StrCat("cgroup ", path,
                       " is threaded and has no processes of its own; name "
                       "the cgroup above it that is its domain"));
    }
    return core::Refuse(RefusalReason::kCgroupNotFound,
                        absl::StrCat("no cgroup ", path, " below ", cgroup_root,
                                     "; resolve the target again"));
  }
  std::set<int32_t> pids;
  const absl::Status status = AddPids(system, folder, 0, &pids);
  if (!status.ok()) return status;
  return std::vector<int32_t>(pids.begin(), pids.end());
}

}  // namespace pageferry::kernel
