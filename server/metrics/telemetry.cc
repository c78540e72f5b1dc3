#include "server/metrics/telemetry.h"

#include <prometheus/gauge.h>

#include <array>
#include <utility>

#include "server/metrics/migration_meter.h"

namespace pageferry::metrics {
namespace {

using core::RefusalReason;

// The contract's names (ErrorReason).
constexpr std::array<std::pair<RefusalReason, const char*>, 18> kRejections = {{
    {RefusalReason::kInvalidRequest, "INVALID_REQUEST"},
    {RefusalReason::kProcessNotFound, "PROCESS_NOT_FOUND"},
    {RefusalReason::kProcessReplaced, "PROCESS_REPLACED"},
    {RefusalReason::kCgroupNotFound, "CGROUP_NOT_FOUND"},
    {RefusalReason::kPodNotFound, "POD_NOT_FOUND"},
    {RefusalReason::kMigrationNotFound, "MIGRATION_NOT_FOUND"},
    {RefusalReason::kTargetNotMovable, "TARGET_NOT_MOVABLE"},
    {RefusalReason::kNodeNotAllowed, "NODE_NOT_ALLOWED"},
    {RefusalReason::kRoleLacksRpc, "ROLE_LACKS_RPC"},
    {RefusalReason::kTargetNotAllowed, "TARGET_NOT_ALLOWED"},
    {RefusalReason::kKernelRefuses, "KERNEL_REFUSES"},
    {RefusalReason::kNoCredentials, "NO_CREDENTIALS"},
    {RefusalReason::kTooManyMigrations, "TOO_MANY_MIGRATIONS"},
    {RefusalReason::kRequestIdRunning, "REQUEST_ID_RUNNING"},
    {RefusalReason::kShuttingDown, "SHUTTING_DOWN"},
    {RefusalReason::kNotReady, "NOT_READY"},
    {RefusalReason::kUnsupported, "UNSUPPORTED"},
    {RefusalReason::kInternal, "INTERNAL"},
}};

}  // namespace

PrometheusTelemetry::PrometheusTelemetry(const BuildInfo& build)
    : registry_(std::make_shared<prometheus::Registry>()),
      counters_(registry_.get()) {
  auto& rejected = prometheus::BuildCounter()
                       .Name("pageferry_rejected_requests_total")
                       .Help("Calls that were refused before they started.")
                       .Register(*registry_);
  for (const auto& [reason, name] : kRejections) {
    rejected_[reason] = &rejected.Add({{"reason", name}});
  }
  stream_stall_ = &prometheus::BuildCounter()
                       .Name("pageferry_stream_stall_seconds_total")
                       .Help("Time spent waiting for slow readers.")
                       .Register(*registry_)
                       .Add({});
  prometheus::BuildGauge()
      .Name("pageferry_build_info")
      .Help("1; what is running is in the labels.")
      .Register(*registry_)
      .Add({{"version", build.version},
            {"revision", build.revision},
            {"backend", build.backend}})
      .Set(1);
}

void PrometheusTelemetry::AddNodes(absl::Span<const core::NodeId> nodes) {
  counters_.AddNodes(nodes);
}

std::unique_ptr<core::MigrationMeter> PrometheusTelemetry::StartMigration(
    core::Method method, core::Mode mode, bool validate_only) {
  return std::make_unique<PrometheusMeter>(method, mode, validate_only,
                                           &counters_);
}

void PrometheusTelemetry::OnKernelCall(core::Mode mode, absl::Duration length) {
  counters_.of(mode).kernel_call->Observe(absl::ToDoubleSeconds(length));
}

void PrometheusTelemetry::OnRequestRejected(core::RefusalReason reason) {
  rejected_.at(reason)->Increment();
}

void PrometheusTelemetry::OnStreamStall(absl::Duration length) {
  stream_stall_->Increment(absl::ToDoubleSeconds(length));
}

}  // namespace pageferry::metrics
