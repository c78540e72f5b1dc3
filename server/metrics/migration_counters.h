// The counters that migrations move, as Prometheus families.
//
// Every child is made at start-up and kept: a lookup by label costs a
// microsecond and an increment of a kept counter a few nanoseconds. Those with
// a node in a label are made when the node is first known.

#ifndef PAGEFERRY_SERVER_METRICS_MIGRATION_COUNTERS_H_
#define PAGEFERRY_SERVER_METRICS_MIGRATION_COUNTERS_H_

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/types/span.h"
#include "server/core/mutex.h"
#include "server/core/summary.h"
#include "server/core/telemetry.h"
#include "server/core/types.h"

namespace pageferry::metrics {

inline constexpr std::array<core::Mode, 3> kModes = {
    core::Mode::kAsync, core::Mode::kSyncLight, core::Mode::kSync};

// Counters by reason, indexed by static_cast<size_t>(core::Reason).
using ReasonCounters = std::array<prometheus::Counter*, core::kReasonCount>;

// Pages moved between two nodes.
struct MovedCounters {
  prometheus::Counter* pages = nullptr;
  prometheus::Counter* bytes = nullptr;
};

// What one mode counts.
struct ModeCounters {
  prometheus::Counter* requested = nullptr;
  prometheus::Counter* already_placed = nullptr;
  prometheus::Counter* not_attempted = nullptr;
  prometheus::Counter* companions = nullptr;
  prometheus::Counter* would_move = nullptr;                // dry runs
  prometheus::Counter* validated_already_placed = nullptr;  // dry runs
  ReasonCounters validated = {};                            // dry runs
  ReasonCounters failed = {};
  ReasonCounters retried = {};
  ReasonCounters recovered = {};
  prometheus::Histogram* duration = nullptr;
  prometheus::Histogram* passes = nullptr;
  prometheus::Histogram* kernel_call = nullptr;
};

// Thread-safe.
class MigrationCounters {
 public:
  // `registry` must outlive this.
  explicit MigrationCounters(prometheus::Registry* registry);

  // Makes the children for every pair of `nodes` and for hidden sources.
  void AddNodes(absl::Span<const core::NodeId> nodes);

  const ModeCounters& of(core::Mode mode) const {
    return modes_[static_cast<size_t>(mode)];
  }

  // For pages that moved from `source` (Unknown where hidden).
  MovedCounters Moved(core::Mode mode, core::NodeId source,
                      core::NodeId destination);

  prometheus::Counter* ended(core::Method method, core::Mode mode,
                             core::StopReason stop) const;

  prometheus::Counter* status_missing() const { return status_missing_; }
  prometheus::Counter* status_wrong() const { return status_wrong_; }

 private:
  using MovedKey = std::pair<core::Mode, std::pair<core::NodeId, core::NodeId>>;

  void MakeModeCounters(prometheus::Registry* registry);
  void MakeReasonCounters(prometheus::Registry* registry);
  void MakeHistograms(prometheus::Registry* registry);
  void MakeEnded(prometheus::Registry* registry);
  void MakeCorrections(prometheus::Registry* registry);

  prometheus::Family<prometheus::Counter>* const moved_pages_;
  prometheus::Family<prometheus::Counter>* const moved_bytes_;
  std::array<ModeCounters, 4> modes_;  // by number of the mode
  std::map<std::pair<core::Method, std::pair<core::Mode, core::StopReason>>,
           prometheus::Counter*>
      ended_;
  prometheus::Counter* status_missing_ = nullptr;
  prometheus::Counter* status_wrong_ = nullptr;
  core::Mutex mutex_;
  std::map<MovedKey, MovedCounters> moved_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_MIGRATION_COUNTERS_H_
