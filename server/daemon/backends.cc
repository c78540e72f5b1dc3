#include "server/daemon/backends.h"

#include "server/kernel/kernel_backend.h"

namespace pageferry::daemon {

absl::StatusOr<std::unique_ptr<core::Backend>> CreateBackend(
    const Options& options, core::Telemetry* telemetry) {
  switch (options.backend) {
    case BackendKind::kKernel: {
      kernel::KernelBackend::Options kernel_options;
      kernel_options.telemetry = telemetry;
      return kernel::KernelBackend::Create(kernel_options);
    }
  }
  return absl::InternalError("no such backend");
}

}  // namespace pageferry::daemon
