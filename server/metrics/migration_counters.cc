#include "server/metrics/migration_counters.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "server/core/reasons.h"

namespace pageferry::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;
using prometheus::Registry;

constexpr std::array<core::Method, 2> kMethods = {
    core::Method::kMigratePages, core::Method::kMigrateProcess};

constexpr std::array<core::StopReason, 7> kStopReasons = {
    core::StopReason::kCompleted,      core::StopReason::kCancelled,
    core::StopReason::kTimeBudget,     core::StopReason::kProcessExited,
    core::StopReason::kPermissionLost, core::StopReason::kDestinationFull,
    core::StopReason::kDraining,
};

std::string ModeLabel(core::Mode mode) {
  return std::string(core::ModeName(mode));
}

std::string NodeLabel(core::NodeId node) {
  return node.known() ? absl::StrCat(node.value()) : "unknown";
}

Family<Counter>& CounterFamily(Registry* registry, const char* name,
                               const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
}

// Makes the children of `family` for every reason that a page can have.
void MakeReasons(Family<Counter>* family, core::Mode mode,
                 ReasonCounters* counters) {
  for (int i = 1; i < core::kReasonCount; ++i) {
    const std::string reason(core::ReasonName(static_cast<core::Reason>(i)));
    (*counters)[i] =
        &family->Add({{"mode", ModeLabel(mode)}, {"reason", reason}});
  }
}

}  // namespace

MigrationCounters::MigrationCounters(Registry* registry)
    : moved_pages_(&CounterFamily(
          registry, "pageferry_moved_pages_total",
          "Requested pages moved, by the node they were first seen on and the "
          "node they are on.")),
      moved_bytes_(&CounterFamily(
          registry, "pageferry_moved_bytes_total",
          "Bytes moved, pages included that moved with their folio.")) {
  MakeModeCounters(registry);
  MakeReasonCounters(registry);
  MakeHistograms(registry);
  MakeEnded(registry);
  MakeCorrections(registry);
}

void MigrationCounters::MakeModeCounters(Registry* registry) {
  auto& requested =
      CounterFamily(registry, "pageferry_requested_pages_total",
                    "Distinct pages that migrations were asked to move.");
  auto& already_placed =
      CounterFamily(registry, "pageferry_already_placed_pages_total",
                    "Requested pages that were on their destination.");
  auto& not_attempted = CounterFamily(
      registry, "pageferry_not_attempted_pages_total",
      "Requested pages left alone because the migration ended before.");
  auto& companions =
      CounterFamily(registry, "pageferry_companion_pages_total",
                    "Pages that moved with their folio without being asked.");
  for (const core::Mode mode : kModes) {
    ModeCounters& counters = modes_[static_cast<size_t>(mode)];
    const prometheus::Labels labels = {{"mode", ModeLabel(mode)}};
    counters.requested = &requested.Add(labels);
    counters.already_placed = &already_placed.Add(labels);
    counters.not_attempted = &not_attempted.Add(labels);
    counters.companions = &companions.Add(labels);
  }
}

void MigrationCounters::MakeReasonCounters(Registry* registry) {
  auto& failed = CounterFamily(registry, "pageferry_failed_pages_total",
                               "Requested pages that did not move.");
  auto& retried =
      CounterFamily(registry, "pageferry_retried_pages_total",
                    "Retries: one for each page and pass that said again.");
  auto& recovered =
      CounterFamily(registry, "pageferry_recovered_pages_total",
                    "Pages that moved after at least one retry, by the "
                    "reason of the last.");
  auto& validated =
      CounterFamily(registry, "pageferry_validated_pages_total",
                    "Pages of dry runs, by what would come of them; they are "
                    "counted nowhere else.");
  for (const core::Mode mode : kModes) {
    ModeCounters& counters = modes_[static_cast<size_t>(mode)];
    MakeReasons(&failed, mode, &counters.failed);
    MakeReasons(&retried, mode, &counters.retried);
    MakeReasons(&recovered, mode, &counters.recovered);
    MakeReasons(&validated, mode, &counters.validated);
    counters.would_move = &validated.Add(
        {{"mode", ModeLabel(mode)},
         {"reason",
          std::string(core::OutcomeName(core::Outcome::kWouldMove))}});
    counters.validated_already_placed = &validated.Add(
        {{"mode", ModeLabel(mode)},
         {"reason",
          std::string(core::OutcomeName(core::Outcome::kAlreadyPlaced))}});
  }
}

void MigrationCounters::MakeHistograms(Registry* registry) {
  const Histogram::BucketBoundaries duration_seconds = {
      0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300};
  const Histogram::BucketBoundaries passes = {1, 2, 3, 4, 6, 8, 10, 20, 50};
  // The aims for one call, 2 ms for async and 20 ms for sync-light, are bounds.
  const Histogram::BucketBoundaries call_seconds = {
      0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02,
      0.05,   0.1,    0.2,    0.5,   1,     5,     30};
  auto& duration_family =
      prometheus::BuildHistogram()
          .Name("pageferry_migration_duration_seconds")
          .Help("Time from the acceptance of a migration to its end.")
          .Register(*registry);
  auto& passes_family = prometheus::BuildHistogram()
                            .Name("pageferry_migration_passes")
                            .Help("Passes that a migration made.")
                            .Register(*registry);
  auto& call_family =
      prometheus::BuildHistogram()
          .Name("pageferry_kernel_call_duration_seconds")
          .Help(
              "Length of calls that move pages: for so long a migration "
              "cannot be cancelled.")
          .Register(*registry);
  for (const core::Mode mode : kModes) {
    ModeCounters& counters = modes_[static_cast<size_t>(mode)];
    const prometheus::Labels labels = {{"mode", ModeLabel(mode)}};
    counters.duration = &duration_family.Add(labels, duration_seconds);
    counters.passes = &passes_family.Add(labels, passes);
    counters.kernel_call = &call_family.Add(labels, call_seconds);
  }
}

void MigrationCounters::MakeEnded(Registry* registry) {
  auto& family = CounterFamily(registry, "pageferry_migrations_total",
                               "Migrations that ended, dry runs included.");
  for (const core::Method method : kMethods) {
    for (const core::Mode mode : kModes) {
      for (const core::StopReason stop : kStopReasons) {
        ended_[{method, {mode, stop}}] = &family.Add(
            {{"method", core::MethodName(method)},
             {"mode", ModeLabel(mode)},
             {"stop_reason", std::string(core::StopReasonName(stop))}});
      }
    }
  }
}

void MigrationCounters::MakeCorrections(Registry* registry) {
  auto& family = CounterFamily(
      registry, "pageferry_status_corrections_total",
      "Results that the kernel's own statuses would have got wrong.");
  status_missing_ = &family.Add({{"kind", "status_missing"}});
  status_wrong_ = &family.Add({{"kind", "status_wrong"}});
}

void MigrationCounters::AddNodes(absl::Span<const core::NodeId> nodes) {
  for (const core::Mode mode : kModes) {
    for (const core::NodeId destination : nodes) {
      Moved(mode, core::NodeId::Unknown(), destination);
      for (const core::NodeId source : nodes) {
        if (source != destination) Moved(mode, source, destination);
      }
    }
  }
}

MovedCounters MigrationCounters::Moved(core::Mode mode, core::NodeId source,
                                       core::NodeId destination) {
  core::MutexLock lock(&mutex_);
  MovedCounters& counters = moved_[{mode, {source, destination}}];
  if (counters.pages == nullptr) {
    const prometheus::Labels labels = {
        {"mode", ModeLabel(mode)},
        {"source_node", NodeLabel(source)},
        {"destination_node", NodeLabel(destination)}};
    counters.pages = &moved_pages_->Add(labels);
    counters.bytes = &moved_bytes_->Add(labels);
  }
  return counters;
}

Counter* MigrationCounters::ended(core::Method method, core::Mode mode,
                                  core::StopReason stop) const {
  return ended_.at({method, {mode, stop}});
}

}  // namespace pageferry::metrics
