// What the pass loop asks of a backend: try these pages, and say of each what
// happened.

#ifndef PAGEFERRY_SERVER_CORE_BATCH_MOVER_H_
#define PAGEFERRY_SERVER_CORE_BATCH_MOVER_H_

#include <cstdint>
#include <limits>

#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/core/control.h"
#include "server/core/types.h"

namespace pageferry::core {

// What one try of one page came to.
enum class Answer : uint8_t {
  // Not decided: a stop came first, or the try ended before this page (behind a
  // page that got no memory). The loop tries it again or accounts for it.
  kUntried = 0,
  // Was elsewhere or hidden when first seen and is on the destination now.
  kMoved,
  // Was on the destination when first seen.
  kAlreadyPlaced,
  // Freed meanwhile: nothing is left to move. (NOT_PRESENT in results.)
  kFreed,
  // Could not move now, may move later: EAGAIN.
  kAgain,
  // Tried, and the destination had no memory for it: ENOMEM.
  kNoMemory,
  // Not tried, since the destination had refused a folio no larger than this
  // one: Batch::refused_folio_pages.
  kSkippedFull,
  // Cannot move, and will not: any other errno.
  kFailed,
  // In a dry run: would be tried.
  kWouldMove,
};

// One page of a batch: what is known of it, and the answer.
struct PageAttempt {
  VirtualAddress address;
  Answer answer = Answer::kUntried;
  // Why, for kAgain and kFailed. kAgain with kNoMemory: the mode does not allow
  // to take the destination's last memory; other nodes may be tried.
  Reason reason = Reason::kNone;
  // Whether any try so far has looked at the page, even if it stayed hidden.
  bool seen = false;
  // The node on which it was first seen, and on which it was last seen.
  NodeId source;
  NodeId node;
  // Base pages of its folio; 0 where not visible.
  uint32_t folio_pages = 0;
};

// Pages to try together.
struct Batch {
  // Where to. All pages go to one node.
  NodeId destination;
  // Index of their placement in the migration's PageList.
  uint32_t placement = 0;
  // Whether a page may be waited for as the mode allows.
  bool forced = false;
  // Folios of at least this many base pages are not to be tried
  // (kSkippedFull): the destination had no memory for such. Pages that need no
  // move are settled all the same.
  uint32_t refused_folio_pages = std::numeric_limits<uint32_t>::max();
  // Ascending by address, no page twice. Those with an answer other than
  // kUntried are not to be touched.
  absl::Span<PageAttempt> pages;
};

// Cost and side effects of the tries so far.
struct MoverStatistics {
  // Kernel calls that moved or tried to move pages, and the longest of them.
  uint64_t kernel_calls = 0;
  absl::Duration longest_kernel_call;
  // Pages that moved with their folio without being in the PageList.
  uint64_t companion_pages = 0;
  // Pages of the PageList that were moved with Fidelity::kKernel.
  uint64_t kernel_fidelity_pages = 0;
  // Results that the kernel's own statuses would have got wrong.
  uint64_t status_missing = 0;  // none was written
  uint64_t status_wrong = 0;    // another than the page's place says
};

// Moves pages of one process for one migration. Used by one thread at a time;
// may remember what it saw from one try to the next.
class BatchMover {
 public:
  virtual ~BatchMover() = default;

  // Pages that the loop should hand over in one batch: few enough that results
  // come soon, many enough that calls are full.
  virtual uint32_t preferred_batch_pages() const = 0;

  // Batches end at multiples of so many pages in the address space, or where
  // the pages do: the loop adds what is left of the last block. A folio that
  // were cut in two could be answered for with the first batch and move with
  // the second.
  virtual uint32_t block_pages() const { return 1; }

  // Tries every page of `batch` that is kUntried, once, and fills in its
  // attempt. May leave pages kUntried when `control` says stop (looked at
  // between kernel calls) or behind a page that is kNoMemory. Blocks for as
  // long as the mode allows.
  //
  // Returns kNone, or why no page of this process can be tried any more
  // (kProcessExited, kPermissionLost); then, too, pages may be left kUntried.
  virtual StopReason TryBatch(const Batch& batch,
                              const MigrationControl& control) = 0;

  virtual const MoverStatistics& statistics() const = 0;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_BATCH_MOVER_H_
