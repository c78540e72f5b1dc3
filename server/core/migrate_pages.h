// The pass loop: what Linux's migrate_pages() is in the kernel, over a backend
// that tries one batch at a time.
//
// Take the pages that are still to move; try each; sort the answers; go round
// again with those that said "again". A pass that may wait is called forced.
// There is one such loop for all backends, and it knows nothing of system
// calls, gRPC or protobuf.

#ifndef PAGEFERRY_SERVER_CORE_MIGRATE_PAGES_H_
#define PAGEFERRY_SERVER_CORE_MIGRATE_PAGES_H_

#include <cstdint>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/core/batch_mover.h"
#include "server/core/control.h"
#include "server/core/limits.h"
#include "server/core/page_list.h"
#include "server/core/rate_limiter.h"
#include "server/core/summary.h"
#include "server/core/types.h"

namespace pageferry::core {

// What becomes of the others when a page gets no memory on any of its nodes.
enum class NoMemoryPolicy {
  // The service's: folios of that size or larger with that placement stop
  // (NOT_ATTEMPTED, ABORTED); smaller ones and other placements go on.
  kStopThisSize,
  // The kernel's: everything that is left stops.
  kAbortList,
};

struct MigrateOptions {
  // At least 1. A pass is forced when its number, from 0, is over 2, or when
  // it is the last of fewer than 4.
  uint32_t max_passes = kDefaultPasses;
  // Pause after the first pass; doubles after each, up to the longest.
  absl::Duration initial_backoff = kDefaultInitialBackoff;
  absl::Duration max_backoff = kDefaultMaxBackoff;
  NoMemoryPolicy no_memory = NoMemoryPolicy::kStopThisSize;
  // A dry run: the mover was told to answer kWouldMove and moves nothing.
  bool validate_only = false;
  // The largest batch, in pages, whatever the mover prefers; the rest of its
  // last block (BatchMover::block_pages) comes on top.
  uint32_t max_batch_pages = UINT32_MAX;
};

// Consecutive pages to which everything applies alike.
struct SettledRun {
  PageRun run;
  Outcome outcome = Outcome::kFailed;
  Reason reason = Reason::kNone;
  NodeId source;             // first seen; unknown where not seen
  NodeId node;               // last seen; unknown where not seen
  uint32_t passes = 0;       // tries
  uint32_t folio_pages = 0;  // 0 where not visible
};

struct PassFigures {
  uint32_t pass = 0;
  bool forced = false;
  uint64_t moved_pages = 0;
  uint64_t retry_pages = 0;   // answered "again"
  uint64_t failed_pages = 0;  // failed for good in this pass
  ReasonPages retry_reasons = {};
};

// Gets what happens, as it happens, on the thread that runs the loop. May
// block: the loop waits for it.
class MigrationObserver {
 public:
  virtual ~MigrationObserver() = default;

  // So many pages are about to be tried together; 0: that is over. Not to
  // block.
  virtual void OnTrying(uint64_t /*pages*/) {}

  // Pages were settled: ascending by address, not empty. Over a migration all
  // runs are disjoint and cover the PageList.
  virtual void OnSettled(absl::Span<const SettledRun> runs) = 0;

  virtual void OnPassCompleted(const PassFigures& pass) = 0;

  // The figures so far, after each batch; for those who look from outside.
  virtual void OnProgress(const MigrationSummary& so_far) = 0;
};

// Migrates `pages` with `mover` and returns the final figures, but for
// `elapsed`, which is from the call to the return. Every page of `pages` is
// reported to `observer` exactly once. Blocks; `control` is looked at between
// batches and in every pause, and by the mover between its calls. `limiters`
// may be empty; each bounds the bytes moved.
MigrationSummary MigratePages(const PageList& pages,
                              const MigrateOptions& options, BatchMover& mover,
                              const MigrationControl& control,
                              absl::Span<RateLimiter* const> limiters,
                              MigrationObserver& observer);

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_MIGRATE_PAGES_H_
