#include "server/metrics/collectors.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/reasons.h"
#include "server/metrics/families.h"
#include "server/metrics/migration_counters.h"
#include "server/metrics/proc_figures.h"

namespace pageferry::metrics {
namespace {

using prometheus::MetricFamily;

std::string NodeLabel(core::NodeId node) { return absl::StrCat(node.value()); }

MetricFamily MemoryFamily(const core::Topology& topology) {
  MetricFamily family = GaugeFamily("pageferry_node_memory_bytes",
                                    "Memory of a NUMA node, by kind.");
  for (const core::Node& node : topology.nodes) {
    if (!node.has_memory) continue;
    const auto add = [&](const char* kind, uint64_t bytes) {
      AddSample(&family, {{"node", NodeLabel(node.id)}, {"kind", kind}},
                static_cast<double>(bytes));
    };
    add("total", node.memory.total_bytes);
    add("free", node.memory.free_bytes);
    add("file", node.memory.file_bytes);
    add("anonymous", node.memory.anonymous_bytes);
  }
  return family;
}

MetricFamily EventsFamily(const core::KernelEvents& events) {
  MetricFamily family =
      CounterFamily("pageferry_kernel_events_total",
                    "The kernel's own counters of page migration, demotion, "
                    "promotion and NUMA balancing, by their names in "
                    "/proc/vmstat: the whole machine's.");
  for (const auto& [event, count] : events) {
    AddSample(&family, {{"event", event}}, static_cast<double>(count));
  }
  return family;
}

MetricFamily TierFamily(const core::Topology& topology) {
  MetricFamily family =
      GaugeFamily("pageferry_node_tier",
                  "The kernel's memory tier of a node; smaller is faster.");
  for (const core::Node& node : topology.nodes) {
    if (!node.tier.has_value()) continue;
    AddSample(&family, {{"node", NodeLabel(node.id)}}, *node.tier);
  }
  return family;
}

MetricFamily DistanceFamily(const core::Topology& topology) {
  MetricFamily family =
      GaugeFamily("pageferry_node_distance",
                  "The firmware's relative distance between two nodes; 10 is "
                  "local.");
  for (const core::Node& node : topology.nodes) {
    for (const auto& [to_node, distance] : node.distances) {
      AddSample(&family,
                {{"node", NodeLabel(node.id)}, {"to_node", NodeLabel(to_node)}},
                distance);
    }
  }
  return family;
}

MetricFamily CapabilityFamily(const core::Capabilities& capabilities) {
  MetricFamily family = GaugeFamily(
      "pageferry_capability",
      "Whether the daemon has a privilege, and whether it is ready.");
  AddSample(&family, {{"name", "ready"}}, capabilities.ready ? 1 : 0);
  for (const core::Privilege& privilege : capabilities.privileges) {
    AddSample(&family, {{"name", privilege.name}}, privilege.present ? 1 : 0);
  }
  return family;
}

// Leaves out families without samples, which would be a lone comment.
std::vector<MetricFamily> WithSamples(std::vector<MetricFamily> families) {
  std::erase_if(families, [](const MetricFamily& family) {
    return family.metric.empty();
  });
  return families;
}

}  // namespace

std::vector<MetricFamily> RegistryCollector::Collect() const {
  MetricFamily in_flight =
      GaugeFamily("pageferry_migrations_in_flight", "Migrations that run now.");
  MetricFamily queued = GaugeFamily("pageferry_migrations_queued",
                                    "Migrations that wait for others to end.");
  for (const core::Mode mode : kModes) {
    const std::string label(core::ModeName(mode));
    AddSample(&in_flight, {{"mode", label}}, registry_->running(mode));
    AddSample(&queued, {{"mode", label}}, registry_->queued(mode));
  }
  MetricFamily draining = GaugeFamily(
      "pageferry_draining",
      "1 from when the daemon was asked to end until it has ended.");
  AddSample(&draining, {}, registry_->draining() ? 1 : 0);
  return {in_flight, queued, draining};
}

std::vector<MetricFamily> BackendCollector::Collect() const {
  std::vector<MetricFamily> families = {
      CapabilityFamily(backend_->ReadCapabilities()),
      EventsFamily(backend_->ReadKernelEvents())};
  const absl::StatusOr<core::Topology> topology = backend_->ReadTopology();
  if (topology.ok()) {
    families.push_back(MemoryFamily(*topology));
    families.push_back(TierFamily(*topology));
    families.push_back(DistanceFamily(*topology));
  }
  return WithSamples(std::move(families));
}

std::vector<MetricFamily> ProcCollector::Collect() const {
  std::vector<MetricFamily> families;
  const ProcessFigures figures = ReadProcessFigures(proc_root_);
  const auto add = [&families](MetricFamily family,
                               const absl::optional<double>& value) {
    if (value.has_value()) AddSample(&family, {}, *value);
    families.push_back(std::move(family));
  };
  add(CounterFamily("process_cpu_seconds_total",
                    "User and system CPU time of this process."),
      figures.cpu_seconds);
  add(GaugeFamily("process_start_time_seconds",
                  "When this process started, since the Unix epoch."),
      figures.start_time_seconds);
  add(GaugeFamily("process_resident_memory_bytes",
                  "Resident memory of this process."),
      figures.resident_bytes);
  add(GaugeFamily("process_virtual_memory_bytes",
                  "Virtual memory of this process."),
      figures.virtual_bytes);
  add(GaugeFamily("process_virtual_memory_max_bytes",
                  "Virtual memory that this process may have; 2^64 - 1 is "
                  "unlimited."),
      figures.max_virtual_bytes);
  add(GaugeFamily("process_threads", "Threads of this process."),
      figures.threads);
  add(GaugeFamily("process_open_fds", "File descriptors that are open."),
      figures.open_descriptors);
  add(GaugeFamily("process_max_fds", "File descriptors that may be open."),
      figures.max_descriptors);
  return WithSamples(std::move(families));
}

}  // namespace pageferry::metrics
