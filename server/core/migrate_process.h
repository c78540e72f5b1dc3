// Migrates whole processes: the pass loop over one piece of a process after the
// other.

#ifndef PAGEFERRY_SERVER_CORE_MIGRATE_PROCESS_H_
#define PAGEFERRY_SERVER_CORE_MIGRATE_PROCESS_H_

#include <cstdint>

#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/control.h"
#include "server/core/limits.h"
#include "server/core/migrate_pages.h"
#include "server/core/page_list.h"
#include "server/core/process_walk.h"
#include "server/core/rate_limiter.h"
#include "server/core/summary.h"
#include "server/core/types.h"

namespace pageferry::core {

// A MigrationObserver whose pages come in pieces. Passes are those of a piece.
class ProcessObserver : public MigrationObserver {
 public:
  // All that follows is about these pages of this process, until the next call
  // of this. `pages` is valid until then.
  virtual void OnPiece(ProcessId process, const PageList& pages) = 0;
};

struct ProcessOptions {
  MoveParameters move;
  MigrateOptions migrate;
  uint64_t piece_pages = kProcessPiecePages;
};

// Moves the pages of `process` that are on a source of `pairs` when they are
// first looked at. `*total` are the figures of what went before; those of this
// process are added, and OnProgress() gets the sum. Returns kCompleted when all
// of the process was walked, or kDestinationFull; otherwise why it was not, and
// then pages that were found and not tried have been reported as such. Blocks,
// as MigratePages() does.
StopReason MigrateProcess(TargetProcess& process,
                          absl::Span<const NodePair> pairs,
                          const ProcessOptions& options,
                          const MigrationControl& control,
                          absl::Span<RateLimiter* const> limiters,
                          ProcessObserver& observer, MigrationSummary* total);

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_MIGRATE_PROCESS_H_
