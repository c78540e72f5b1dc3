// The `model` backend: a modelled machine behind the interface of the kernel.

#ifndef PAGEFERRY_SERVER_MODEL_MODEL_BACKEND_H_
#define PAGEFERRY_SERVER_MODEL_MODEL_BACKEND_H_

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/backend.h"
#include "server/core/clock.h"
#include "server/core/telemetry.h"
#include "server/model/trace.h"
#include "server/model/world.h"

namespace pageferry::model {

// Plays the machine that a scenario describes. Its processes, pages and nodes
// are its own; it never touches a process of the real machine. Every mode runs
// exactly as the kernel's core would run it (Fidelity::kModel). Needs no
// privilege. Thread-safe.
class ModelBackend final : public core::Backend {
 public:
  struct Options {
    // A scenario in protobuf text format.
    absl::string_view scenario;
    // By which waits, timed faults and lengths go. Must outlive the backend.
    core::Clock* clock = nullptr;
    // Must outlive the backend.
    core::Telemetry* telemetry = nullptr;
  };

  // kInvalidArgument, with line and field, where the scenario is wrong;
  // kResourceExhausted where its memory cannot be had.
  static absl::StatusOr<std::unique_ptr<core::Backend>> Create(
      const Options& options);

  // As Create(), for those who want more than the interface.
  static absl::StatusOr<std::unique_ptr<ModelBackend>> CreateModel(
      const Options& options);

  absl::string_view name() const override { return "model"; }
  core::Fidelity WeakestFidelity(
      const core::MoveParameters& parameters) const override;
  absl::Duration default_initial_backoff() const override;
  std::vector<core::NodeId> MemoryNodes() const override;
  absl::StatusOr<core::Topology> ReadTopology() const override;
  core::Capabilities ReadCapabilities() const override;
  absl::StatusOr<std::unique_ptr<core::TargetProcess>> OpenProcess(
      int32_t pid, absl::optional<uint64_t> start_time_ticks) override;
  absl::StatusOr<std::vector<core::ProcessId>> ListCgroup(
      const std::string& path) override;
  core::KernelEvents ReadKernelEvents() const override;
  absl::optional<core::SimulatedStores> ReadSimulatedStores() const override;

  // A process as one sees it in /proc: for those who resolve targets.
  struct ProcessInfo {
    core::ProcessId id;
    std::string name;
    std::string cgroup;
  };
  // Those that have not exited, by pid.
  std::vector<ProcessInfo> Processes() const;

  // The last trace records.
  std::vector<MigrateTrace> Traces() const;

  World& world() { return *world_; }

 private:
  ModelBackend(std::unique_ptr<World> world, core::Telemetry* telemetry)
      : world_(std::move(world)), telemetry_(telemetry) {}

  const std::unique_ptr<World> world_;
  core::Telemetry* const telemetry_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MODEL_BACKEND_H_
