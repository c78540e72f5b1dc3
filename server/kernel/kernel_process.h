// A process as the kernel backend holds it.

#ifndef PAGEFERRY_SERVER_KERNEL_KERNEL_PROCESS_H_
#define PAGEFERRY_SERVER_KERNEL_KERNEL_PROCESS_H_

#include <memory>
#include <string>
#include <vector>

#include "server/core/backend.h"
#include "server/core/telemetry.h"
#include "server/kernel/damon.h"
#include "server/kernel/page_look.h"
#include "server/kernel/process_identity.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// See core::TargetProcess. Privileges: for processes of other users
// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH; to move shared pages CAP_SYS_NICE; to
// see page states CAP_SYS_ADMIN.
class KernelProcess final : public core::TargetProcess {
 public:
  // `system`, `damon` and `telemetry` must outlive this.
  KernelProcess(SystemCalls* system, std::string proc_root,
                std::unique_ptr<ProcessIdentity> identity, Damon* damon,
                core::Telemetry* telemetry);

  core::ProcessId id() const override { return identity_->id(); }
  absl::Status Locate(absl::Span<const core::PageRun> runs,
                      const core::LocationSink& sink) override;
  absl::Status LocateResident(core::VirtualAddress start,
                              core::HiddenPages hidden,
                              const core::LocationSink& sink) override;
  absl::StatusOr<std::unique_ptr<core::BatchMover>> NewMover(
      const core::PageList& pages,
      const core::MoveParameters& parameters) override;

 private:
  absl::Status CheckAccess(bool move_shared);
  absl::Status CheckNodes(const core::PageList& pages);
  // Looks at pages, and where that is allowed touches those that hide.
  absl::Status Look(absl::Span<const uint64_t> addresses,
                    core::HiddenPages hidden, std::vector<PageView>* views);
  absl::Status Locate(absl::Span<const core::PageRun> runs,
                      core::HiddenPages hidden, const core::LocationSink& sink);

  SystemCalls* const system_;
  const std::string proc_root_;
  const std::unique_ptr<ProcessIdentity> identity_;
  Damon* const damon_;
  core::Telemetry* const telemetry_;
  PageLooker looker_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_KERNEL_PROCESS_H_
