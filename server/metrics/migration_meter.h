// Counts one migration.

#ifndef PAGEFERRY_SERVER_METRICS_MIGRATION_METER_H_
#define PAGEFERRY_SERVER_METRICS_MIGRATION_METER_H_

#include <cstdint>

#include "server/core/summary.h"
#include "server/core/telemetry.h"
#include "server/metrics/migration_counters.h"

namespace pageferry::metrics {

// Used by one thread. After End(), what it counted is what the summary says.
class PrometheusMeter final : public core::MigrationMeter {
 public:
  // `counters` must outlive this.
  PrometheusMeter(core::Method method, core::Mode mode, bool validate_only,
                  MigrationCounters* counters);

  void Update(const core::MigrationSummary& so_far) override;
  void End(const core::MigrationSummary& summary) override;

 private:
  void CountPages(const core::MigrationSummary& so_far);
  void CountMoved(const core::MigrationSummary& so_far);
  void CountValidated(const core::MigrationSummary& so_far);

  const core::Method method_;
  const core::Mode mode_;
  const bool validate_only_;
  MigrationCounters* const counters_;
  core::MigrationSummary counted_;
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_MIGRATION_METER_H_
