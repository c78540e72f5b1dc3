#include "server/daemon/backends.h"

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "server/kernel/kernel_backend.h"
#include "server/model/model_backend.h"

namespace pageferry::daemon {
namespace {

absl::StatusOr<std::unique_ptr<core::Backend>> CreateModel(
    const std::string& path, core::Telemetry* telemetry, core::Clock* clock) {
  std::ifstream file(path);
  std::ostringstream text;
  if (!file || !(text << file.rdbuf())) {
    return absl::NotFoundError(
        absl::StrCat("cannot read the scenario ", path,
                     "; ready ones are in server/model/scenarios"));
  }
  const std::string scenario = text.str();
  auto backend = model::ModelBackend::Create({scenario, clock, telemetry});
  if (backend.ok()) return backend;
  return absl::Status(backend.status().code(),
                      absl::StrCat(path, ": ", backend.status().message()));
}

}  // namespace

absl::StatusOr<std::unique_ptr<core::Backend>> CreateBackend(
    const Options& options, core::Telemetry* telemetry, core::Clock* clock) {
  switch (options.backend) {
    case BackendKind::kKernel: {
      kernel::KernelBackend::Options kernel_options;
      kernel_options.telemetry = telemetry;
      return kernel::KernelBackend::Create(kernel_options);
    }
    case BackendKind::kModel:
      return CreateModel(options.scenario_path, telemetry, clock);
  }
  return absl::InternalError("no such backend");
}

}  // namespace pageferry::daemon
