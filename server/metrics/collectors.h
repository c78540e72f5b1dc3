// What is read at each scrape: the registry, the machine's nodes and its
// kernel's own counters, and this process.

#ifndef PAGEFERRY_SERVER_METRICS_COLLECTORS_H_
#define PAGEFERRY_SERVER_METRICS_COLLECTORS_H_

#include <prometheus/collectable.h>
#include <prometheus/metric_family.h>

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/backend.h"
#include "server/core/registry.h"

namespace pageferry::metrics {

// pageferry_migrations_in_flight and _queued.
class RegistryCollector final : public prometheus::Collectable {
 public:
  // `registry` must outlive this.
  explicit RegistryCollector(const core::MigrationRegistry* registry)
      : registry_(registry) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const core::MigrationRegistry* const registry_;
};

// pageferry_node_memory_bytes, _node_tier, _node_distance, _capability and
// _kernel_events_total. What cannot be read is left out.
class BackendCollector final : public prometheus::Collectable {
 public:
  // `backend` must outlive this.
  explicit BackendCollector(const core::Backend* backend) : backend_(backend) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const core::Backend* const backend_;
};

// The standard process_* metrics of this process, out of PROC_ROOT/self.
class ProcCollector final : public prometheus::Collectable {
 public:
  explicit ProcCollector(std::string proc_root)
      : proc_root_(std::move(proc_root)) {}

  std::vector<prometheus::MetricFamily> Collect() const override;

 private:
  const std::string proc_root_;
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_COLLECTORS_H_
