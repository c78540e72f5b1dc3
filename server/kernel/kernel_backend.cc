#include "server/kernel/kernel_backend.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/core/limits.h"
#include "server/kernel/cgroup.h"
#include "server/kernel/kernel_process.h"
#include "server/kernel/process_identity.h"
#include "server/kernel/self_check.h"
#include "server/kernel/topology_reader.h"
#include "server/kernel/vmstat.h"

namespace pageferry::kernel {
namespace {

using core::Fidelity;
using core::Mode;
using core::PageState;

// States that pagemap shows to everyone who may open it, and those that need
// frames.
constexpr PageState kPagemapStates[] = {
    PageState::kAnonymous, PageState::kFile,     PageState::kShared,
    PageState::kZeroPage,  PageState::kNumaHint, PageState::kSoftDirty,
};
constexpr PageState kFrameStates[] = {
    PageState::kDirty,   PageState::kWriteback,   PageState::kLocked,
    PageState::kMlocked, PageState::kKsm,         PageState::kThp,
    PageState::kHugetlb, PageState::kSwapCache,   PageState::kReferenced,
    PageState::kActive,  PageState::kUnevictable, PageState::kHwpoison,
};

}  // namespace

KernelBackend::KernelBackend(const Options& options)
    : options_(options),
      system_(options.system != nullptr ? options.system : &linux_),
      privileges_(CheckSelf(*system_, options_.proc_root)),
      damon_(std::make_unique<Damon>(system_, options.proc_root,
                                     options.sys_root)) {}

absl::StatusOr<std::unique_ptr<core::Backend>> KernelBackend::Create(
    const Options& options) {
  std::unique_ptr<KernelBackend> backend(new KernelBackend(options));
  const absl::StatusOr<std::string> own =
      ReadTextFile(*backend->system_, options.proc_root + "/self/stat");
  if (!own.ok()) {
    return absl::FailedPreconditionError(
        absl::StrCat(options.proc_root, " is no procfs (",
                     own.status().message(), "); mount one there"));
  }
  backend->damon_->Prepare();
  return backend;
}

Fidelity KernelBackend::WeakestFidelity(const core::MoveParameters&) const {
  // Also where KERNEL is preferred: a page may always fall back.
  return Fidelity::kScreened;
}

absl::Duration KernelBackend::default_initial_backoff() const {
  return core::kDefaultInitialBackoff;
}

std::vector<core::NodeId> KernelBackend::MemoryNodes() const {
  return ReadMemoryNodes(*system_, options_.sys_root);
}

absl::StatusOr<core::Topology> KernelBackend::ReadTopology() const {
  return kernel::ReadTopology(*system_, options_.sys_root);
}

core::Capabilities KernelBackend::ReadCapabilities() const {
  core::Capabilities capabilities;
  capabilities.kernel_release = system_->KernelRelease();
  capabilities.privileges = privileges_;
  capabilities.privileges.push_back(
      CheckCpuset(*system_, options_.proc_root, MemoryNodes()));
  capabilities.privileges.push_back(DamonPrivilege());
  const auto present = [&](absl::string_view name) {
    return std::any_of(privileges_.begin(), privileges_.end(),
                       [name](const core::Privilege& privilege) {
                         return privilege.name == name && privilege.present;
                       });
  };
  const bool frames_visible = present("CAP_SYS_ADMIN") && present("kpageflags");
  for (Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    capabilities.modes.push_back({mode, {Fidelity::kScreened}});
  }
  if (frames_visible && damon_->available().ok()) {
    capabilities.modes[0].second.push_back(Fidelity::kKernel);
  }
  for (PageState state : kPagemapStates) {
    capabilities.visible_page_states.Add(state);
  }
  if (frames_visible) {
    for (PageState state : kFrameStates) {
      capabilities.visible_page_states.Add(state);
    }
  }
  const absl::StatusOr<std::string> balancing =
      ReadTextFile(*system_, options_.proc_root + "/sys/kernel/numa_balancing");
  capabilities.numa_balancing =
      balancing.ok() && absl::StripAsciiWhitespace(*balancing) != "0";
  std::vector<std::string> reasons;
  for (const core::Privilege& privilege : capabilities.privileges) {
    const bool vital =
        privilege.name == "move_pages" || privilege.name == "pidfd_open";
    if (vital && !privilege.present) {
      reasons.push_back(
          absl::StrCat(privilege.name, ": ", privilege.cost_of_lack));
    }
  }
  if (MemoryNodes().size() < 2) {
    reasons.push_back(
        "this machine has memory on one NUMA node only, so there is nowhere "
        "to move pages to; locations are served. Run pageferryd where "
        "/sys/devices/system/node/has_memory lists two nodes or more");
  }
  capabilities.ready = reasons.empty();
  capabilities.not_ready_reason = absl::StrJoin(reasons, "; ");
  return capabilities;
}

core::Privilege KernelBackend::DamonPrivilege() const {
  const absl::Status available = damon_->available();
  return {
      "damon", available.ok(),
      absl::StrCat(
          "async has fidelity SCREENED only, never KERNEL; that takes Linux "
          "6.11 or later, CAP_SYS_ADMIN, the right to write "
          "/sys/kernel/mm/damon/admin, and nobody else who uses DAMON",
          available.ok() ? "" : absl::StrCat(" (", available.message(), ")"))};
}

absl::StatusOr<std::unique_ptr<core::TargetProcess>> KernelBackend::OpenProcess(
    int32_t pid, absl::optional<uint64_t> start_time_ticks) {
  absl::StatusOr<std::unique_ptr<ProcessIdentity>> identity =
      ProcessIdentity::Open(system_, options_.proc_root, pid, start_time_ticks);
  if (!identity.ok()) return identity.status();
  return std::make_unique<KernelProcess>(system_, options_.proc_root,
                                         *std::move(identity), damon_.get(),
                                         options_.telemetry);
}

absl::StatusOr<std::vector<core::ProcessId>> KernelBackend::ListCgroup(
    const std::string& path) {
  const absl::StatusOr<std::vector<int32_t>> pids =
      ListPids(*system_, options_.cgroup_root, path);
  if (!pids.ok()) return pids.status();
  std::vector<core::ProcessId> processes;
  for (int32_t pid : *pids) {
    // Never moved: no reason to refuse a cgroup that has them.
    if (pid == 1 || pid == system_->OwnPid()) continue;
    const absl::StatusOr<std::string> text = ReadTextFile(
        *system_, absl::StrCat(options_.proc_root, "/", pid, "/stat"));
    if (!text.ok()) continue;  // has exited since
    const absl::StatusOr<ProcessStat> stat = ParseProcessStat(*text);
    if (!stat.ok()) return stat.status();
    if (stat->has_pages()) processes.push_back({pid, stat->start_time_ticks});
  }
  // A pid that changed hands between the two reads names a stranger now: only
  // who is still in there is meant.
  const absl::StatusOr<std::vector<int32_t>> again =
      ListPids(*system_, options_.cgroup_root, path);
  if (!again.ok()) return again.status();
  processes.erase(std::remove_if(processes.begin(), processes.end(),
                                 [&](const core::ProcessId& process) {
                                   return !std::binary_search(again->begin(),
                                                              again->end(),
                                                              process.pid);
                                 }),
                  processes.end());
  return processes;
}

core::KernelEvents KernelBackend::ReadKernelEvents() const {
  const absl::StatusOr<std::string> vmstat =
      ReadTextFile(*system_, options_.proc_root + "/vmstat");
  return vmstat.ok() ? ParseVmstat(*vmstat) : core::KernelEvents();
}

}  // namespace pageferry::kernel
