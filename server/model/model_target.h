// A modelled process as a target of migrations.

#ifndef PAGEFERRY_SERVER_MODEL_MODEL_TARGET_H_
#define PAGEFERRY_SERVER_MODEL_MODEL_TARGET_H_

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/telemetry.h"
#include "server/model/model_mover.h"
#include "server/model/model_process.h"
#include "server/model/world.h"

namespace pageferry::model {

// Holds a process by its identity: after an exit or an exec it is refused, and
// so is one that the service may not look into.
class ModelTarget final : public core::TargetProcess {
 public:
  // `world` and `telemetry` must outlive this; `telemetry` may be null.
  ModelTarget(World* world, core::Telemetry* telemetry,
              std::shared_ptr<ModelProcess> process);

  core::ProcessId id() const override { return process_->id(); }
  absl::Status Locate(absl::Span<const core::PageRun> runs,
                      const core::LocationSink& sink) override;
  absl::Status LocateResident(core::VirtualAddress start,
                              core::HiddenPages hidden,
                              const core::LocationSink& sink) override;
  absl::StatusOr<std::unique_ptr<core::BatchMover>> NewMover(
      const core::PageList& pages,
      const core::MoveParameters& parameters) override;

 private:
  absl::Status CheckAccess() const;
  void LetTimePass();

  World& world_;
  core::Telemetry* const telemetry_;
  const std::shared_ptr<ModelProcess> process_;
  const uint64_t generation_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MODEL_TARGET_H_
