#include "server/model/model_backend.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "server/model/model_target.h"
#include "server/model/scenario.h"

namespace pageferry::model {

using core::Fidelity;
using core::Mode;
using core::RefusalReason;

absl::StatusOr<std::unique_ptr<ModelBackend>> ModelBackend::CreateModel(
    const Options& options) {
  absl::StatusOr<std::unique_ptr<Scenario>> scenario =
      Scenario::Parse(options.scenario);
  if (!scenario.ok()) return scenario.status();
  absl::StatusOr<std::unique_ptr<World>> world =
      World::Create(**scenario, options.clock);
  if (!world.ok()) return world.status();
  return std::unique_ptr<ModelBackend>(
      new ModelBackend(*std::move(world), options.telemetry));
}

absl::StatusOr<std::unique_ptr<core::Backend>> ModelBackend::Create(
    const Options& options) {
  absl::StatusOr<std::unique_ptr<ModelBackend>> backend = CreateModel(options);
  if (!backend.ok()) return backend.status();
  return std::unique_ptr<core::Backend>(*std::move(backend));
}

Fidelity ModelBackend::WeakestFidelity(const core::MoveParameters&) const {
  return Fidelity::kModel;
}

absl::Duration ModelBackend::default_initial_backoff() const {
  return absl::ZeroDuration();
}

std::vector<core::NodeId> ModelBackend::MemoryNodes() const {
  return world_->memory_nodes();
}

absl::StatusOr<core::Topology> ModelBackend::ReadTopology() const {
  return world_->ReadTopology();
}

core::Capabilities ModelBackend::ReadCapabilities() const {
  core::Capabilities capabilities;
  capabilities.kernel_release = "model, after the design of Linux 4.0";
  capabilities.ready = true;
  for (Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    capabilities.modes.push_back({mode, {Fidelity::kModel}});
  }
  for (int state = static_cast<int>(core::PageState::kAnonymous);
       state <= static_cast<int>(core::PageState::kUnevictable); ++state) {
    capabilities.visible_page_states.Add(static_cast<core::PageState>(state));
  }
  capabilities.numa_balancing = world_->numa_balancing();
  return capabilities;
}

absl::StatusOr<std::unique_ptr<core::TargetProcess>> ModelBackend::OpenProcess(
    int32_t pid, absl::optional<uint64_t> start_time_ticks) {
  const auto found = world_->processes().find(pid);
  if (found == world_->processes().end() || found->second->exited()) {
    return core::Refuse(RefusalReason::kProcessNotFound,
                        absl::StrCat("the model has no process ", pid,
                                     "; its scenario says which there are"));
  }
  const ModelProcess& process = *found->second;
  if (start_time_ticks.has_value() &&
      *start_time_ticks != process.id().start_time_ticks) {
    return core::Refuse(
        RefusalReason::kProcessReplaced,
        absl::StrCat("process ", pid, " started at ",
                     process.id().start_time_ticks, ", not at ",
                     *start_time_ticks, "; resolve the target again"));
  }
  if (!process.movable()) {
    return core::Refuse(RefusalReason::kTargetNotMovable,
                        absl::StrCat("process ", pid,
                                     " is a kernel thread, a zombie or init; "
                                     "choose another target"));
  }
  return std::make_unique<ModelTarget>(world_.get(), telemetry_, found->second);
}

absl::StatusOr<std::vector<core::ProcessId>> ModelBackend::ListCgroup(
    const std::string& path) {
  const std::string below = path.back() == '/' ? path : path + "/";
  const auto in_it = [&](const std::string& cgroup) {
    return cgroup == path || absl::StartsWith(cgroup, below);
  };
  std::vector<core::ProcessId> processes;
  bool known = path == "/";
  for (const auto& [pid, process] : world_->processes()) {
    if (!in_it(process->cgroup())) continue;
    known = true;
    if (!process->exited() && process->movable()) {
      processes.push_back(process->id());
    }
  }
  if (known) return processes;
  return core::Refuse(
      RefusalReason::kCgroupNotFound,
      absl::StrCat("the model has no process in a cgroup ", path,
                   "; its scenario says which there are"));
}

absl::optional<core::SimulatedStores> ModelBackend::ReadSimulatedStores()
    const {
  const WorkerThreads& threads = world_->threads();
  return core::SimulatedStores{threads.stores(), threads.lost_stores()};
}

std::vector<ModelBackend::ProcessInfo> ModelBackend::Processes() const {
  std::vector<ProcessInfo> processes;
  for (const auto& [pid, process] : world_->processes()) {
    if (process->exited()) continue;
    processes.push_back({process->id(), process->name(), process->cgroup()});
  }
  return processes;
}

core::KernelEvents ModelBackend::ReadKernelEvents() const {
  const Vmstat& vmstat = world_->machine().vmstat;
  return {{"pgmigrate_success", vmstat.pgmigrate_success.load()},
          {"pgmigrate_fail", vmstat.pgmigrate_fail.load()},
          {"thp_split", vmstat.thp_split.load()},
          {"numa_hint_faults", vmstat.numa_hint_faults.load()}};
}

std::vector<MigrateTrace> ModelBackend::Traces() const {
  return world_->machine().trace.Read();
}

}  // namespace pageferry::model
