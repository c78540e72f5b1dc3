// The running Linux kernel as a backend: real pages of real processes.

#ifndef PAGEFERRY_SERVER_KERNEL_KERNEL_BACKEND_H_
#define PAGEFERRY_SERVER_KERNEL_KERNEL_BACKEND_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/backend.h"
#include "server/core/telemetry.h"
#include "server/kernel/damon.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// See core::Backend. Every mode is kept by screening, since no system call
// takes one; async can also be had of the kernel itself, by way of DAMON.
class KernelBackend final : public core::Backend {
 public:
  struct Options {
    // Must outlive the backend. Required.
    core::Telemetry* telemetry = nullptr;
    // Must outlive the backend. Default: the running kernel.
    SystemCalls* system = nullptr;
    std::string proc_root = "/proc";
    std::string sys_root = "/sys";
    std::string cgroup_root = "/sys/fs/cgroup";
  };

  // Fails when `proc_root` is no procfs. Removes what a killed daemon left in
  // DAMON, and tries how DAMON can be used: up to a second, blocking.
  static absl::StatusOr<std::unique_ptr<core::Backend>> Create(
      const Options& options);

  absl::string_view name() const override { return "kernel"; }
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

 private:
  explicit KernelBackend(const Options& options);
  core::Privilege DamonPrivilege() const;

  LinuxSystemCalls linux_;
  const Options options_;
  SystemCalls* const system_;
  // Found out at start: rights do not come and go.
  const std::vector<core::Privilege> privileges_;
  const std::unique_ptr<Damon> damon_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_KERNEL_BACKEND_H_
