// The books of the pass loop: what is still to move, what became of the rest,
// and the figures of both.

#ifndef PAGEFERRY_SERVER_CORE_PASS_BOOKS_H_
#define PAGEFERRY_SERVER_CORE_PASS_BOOKS_H_

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "server/core/batch_mover.h"
#include "server/core/migrate_pages.h"
#include "server/core/summary.h"
#include "server/core/types.h"

namespace pageferry::core {

// What the loop remembers of pages from pass to pass.
struct History {
  uint32_t placement = 0;
  uint32_t passes = 0;                 // tries so far
  Reason retried_for = Reason::kNone;  // of the last try
  bool seen = false;
  NodeId source;
  NodeId node;
  uint32_t folio_pages = 0;

  friend bool operator==(const History&, const History&) = default;
};

// Consecutive pages that are still to move, with one history.
struct PendingRun {
  PageRun run;
  History history;
};

// Appends to `runs`, as part of the last one where it continues it.
void AppendPending(const PendingRun& run, std::vector<PendingRun>* runs);

// Counts and reports for one migration. Used by one thread at a time.
class PassBooks {
 public:
  // `observer` must outlive this.
  PassBooks(uint64_t requested_pages, MigrationObserver* observer);

  void StartPass(uint32_t pass, bool forced);
  // Reports the pass to the observer.
  void EndPass();

  // Pages said "again" and will be retried, or have failed for that.
  void CountRetry(Reason reason);
  // Pages have failed for good in this pass.
  void CountFailure() { ++figures_.failed_pages; }

  // These pages are settled; they are reported with the next Emit().
  void Settle(PageRun run, const History& history, Outcome outcome,
              Reason reason);

  // Takes over what the mover has counted, and the time.
  void Update(const MoverStatistics& statistics, absl::Duration elapsed);

  // Reports what was settled, and the progress.
  void Emit();

  const MigrationSummary& summary() const { return summary_; }

 private:
  MigrationObserver* const observer_;
  MigrationSummary summary_;
  PassFigures figures_;
  std::vector<SettledRun> settled_;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_PASS_BOOKS_H_
