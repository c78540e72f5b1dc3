// A migration in figures.

#ifndef PAGEFERRY_SERVER_CORE_SUMMARY_H_
#define PAGEFERRY_SERVER_CORE_SUMMARY_H_

#include <array>
#include <cstdint>
#include <map>

#include "absl/time/time.h"
#include "server/core/types.h"

namespace pageferry::core {

// Pages by reason, indexed by static_cast<size_t>(Reason).
using ReasonPages = std::array<uint64_t, kReasonCount>;

// requested = moved + already_placed + failed + not_attempted + would_move
// once a migration has ended. All are requested base pages but the companions.
struct MigrationSummary {
  uint64_t requested_pages = 0;
  uint64_t moved_pages = 0;
  uint64_t already_placed_pages = 0;
  uint64_t failed_pages = 0;
  uint64_t not_attempted_pages = 0;
  uint64_t would_move_pages = 0;
  // Not requested, moved with their folio.
  uint64_t companion_pages = 0;
  // Passes made.
  uint32_t passes = 0;
  // One for each page and pass that answered "again", and by reason.
  uint64_t retried_pages = 0;
  ReasonPages retries = {};
  // Pages that moved after at least one retry, by the reason of the last.
  ReasonPages recovered = {};
  // Failed and not attempted pages by reason.
  ReasonPages failures = {};
  ReasonPages not_attempted = {};
  // Moved pages: from (Unknown where hidden), to.
  std::map<std::pair<NodeId, NodeId>, uint64_t> moved_between;
  uint64_t kernel_calls = 0;
  absl::Duration longest_kernel_call;
  uint64_t kernel_fidelity_pages = 0;
  uint64_t status_missing = 0;
  uint64_t status_wrong = 0;
  absl::Duration elapsed;
  StopReason stop_reason = StopReason::kNone;

  uint64_t moved_bytes() const {
    return (moved_pages + companion_pages) * kPageBytes;
  }
};

// The figures of two parts of a migration together: sums, the larger number of
// passes, the longest call. Time and stop reason are those of `first`.
MigrationSummary Sum(MigrationSummary first, const MigrationSummary& second);

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_SUMMARY_H_
