// Counts what the other rooms tell, for Prometheus.

#ifndef PAGEFERRY_SERVER_METRICS_TELEMETRY_H_
#define PAGEFERRY_SERVER_METRICS_TELEMETRY_H_

#include <prometheus/counter.h>
#include <prometheus/registry.h>

#include <map>
#include <memory>
#include <string>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/core/telemetry.h"
#include "server/core/types.h"
#include "server/metrics/migration_counters.h"

namespace pageferry::metrics {

// Facts for pageferry_build_info.
struct BuildInfo {
  std::string version;
  std::string revision;
  std::string backend;
};

// Thread-safe.
class PrometheusTelemetry final : public core::Telemetry {
 public:
  explicit PrometheusTelemetry(const BuildInfo& build);

  // Makes the series of these nodes. Those of others come on first sight.
  void AddNodes(absl::Span<const core::NodeId> nodes);

  std::unique_ptr<core::MigrationMeter> StartMigration(
      core::Method method, core::Mode mode, bool validate_only) override;
  void OnKernelCall(core::Mode mode, absl::Duration length) override;
  void OnRequestRejected(core::RefusalReason reason) override;
  void OnStreamStall(absl::Duration length) override;

  // What there is to be scraped.
  std::shared_ptr<prometheus::Collectable> collectable() const {
    return registry_;
  }

 private:
  const std::shared_ptr<prometheus::Registry> registry_;
  MigrationCounters counters_;
  std::map<core::RefusalReason, prometheus::Counter*> rejected_;
  prometheus::Counter* stream_stall_ = nullptr;
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_TELEMETRY_H_
