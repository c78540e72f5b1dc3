#include "server/metrics/migration_meter.h"

#include "absl/time/time.h"

namespace pageferry::metrics {
namespace {

void Add(prometheus::Counter* counter, uint64_t now, uint64_t before) {
  if (now > before) counter->Increment(static_cast<double>(now - before));
}

void AddReasons(const ReasonCounters& counters, const core::ReasonPages& now,
                const core::ReasonPages& before) {
  for (int i = 1; i < core::kReasonCount; ++i) {
    Add(counters[i], now[i], before[i]);
  }
}

}  // namespace

PrometheusMeter::PrometheusMeter(core::Method method, core::Mode mode,
                                 bool validate_only,
                                 MigrationCounters* counters)
    : method_(method),
      mode_(mode),
      validate_only_(validate_only),
      counters_(counters) {}

void PrometheusMeter::Update(const core::MigrationSummary& so_far) {
  if (validate_only_) {
    CountValidated(so_far);
  } else {
    CountPages(so_far);
    CountMoved(so_far);
  }
  counted_ = so_far;
}

void PrometheusMeter::End(const core::MigrationSummary& summary) {
  Update(summary);
  const ModeCounters& counters = counters_->of(mode_);
  counters.duration->Observe(absl::ToDoubleSeconds(summary.elapsed));
  counters.passes->Observe(summary.passes);
  counters_->ended(method_, mode_, summary.stop_reason)->Increment();
}

void PrometheusMeter::CountPages(const core::MigrationSummary& so_far) {
  const ModeCounters& counters = counters_->of(mode_);
  Add(counters.requested, so_far.requested_pages, counted_.requested_pages);
  Add(counters.already_placed, so_far.already_placed_pages,
      counted_.already_placed_pages);
  Add(counters.not_attempted, so_far.not_attempted_pages,
      counted_.not_attempted_pages);
  Add(counters.companions, so_far.companion_pages, counted_.companion_pages);
  AddReasons(counters.failed, so_far.failures, counted_.failures);
  AddReasons(counters.retried, so_far.retries, counted_.retries);
  AddReasons(counters.recovered, so_far.recovered, counted_.recovered);
  Add(counters_->status_missing(), so_far.status_missing,
      counted_.status_missing);
  Add(counters_->status_wrong(), so_far.status_wrong, counted_.status_wrong);
}

// The summary knows of companions only how many there were. They moved with
// pages that were asked for, so their bytes go to where most of those went that
// are new, or, where none are, to where most went so far.
void PrometheusMeter::CountMoved(const core::MigrationSummary& so_far) {
  const uint64_t companions = so_far.companion_pages - counted_.companion_pages;
  std::pair<core::NodeId, core::NodeId> most = {core::NodeId::Unknown(),
                                                core::NodeId::Unknown()};
  std::pair<uint64_t, uint64_t> most_pages = {0, 0};
  for (const auto& [nodes, pages] : so_far.moved_between) {
    const auto before = counted_.moved_between.find(nodes);
    const uint64_t added =
        pages - (before == counted_.moved_between.end() ? 0 : before->second);
    if (std::pair(added, pages) > most_pages) {
      most = nodes;
      most_pages = {added, pages};
    }
    if (added == 0) continue;
    const MovedCounters moved =
        counters_->Moved(mode_, nodes.first, nodes.second);
    moved.pages->Increment(static_cast<double>(added));
    moved.bytes->Increment(static_cast<double>(added * core::kPageBytes));
  }
  if (companions == 0) return;
  counters_->Moved(mode_, most.first, most.second)
      .bytes->Increment(static_cast<double>(companions * core::kPageBytes));
}

void PrometheusMeter::CountValidated(const core::MigrationSummary& so_far) {
  const ModeCounters& counters = counters_->of(mode_);
  Add(counters.would_move, so_far.would_move_pages, counted_.would_move_pages);
  Add(counters.validated_already_placed, so_far.already_placed_pages,
      counted_.already_placed_pages);
  AddReasons(counters.validated, so_far.failures, counted_.failures);
  AddReasons(counters.validated, so_far.not_attempted, counted_.not_attempted);
}

}  // namespace pageferry::metrics
