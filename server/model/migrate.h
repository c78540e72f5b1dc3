// Linux's migration core below migrate_pages(): what happens to one page.
//
// These are the functions of Linux 4.0's mm/migrate.c, under their names and
// with their order of checks; each comment says what the function does, how the
// mode matters, and where later kernels differ. The pass loop above them is
// core::MigratePages(). `__unmap_and_move` is unmap_and_move_locked here, since
// C++ keeps names with two underscores for itself.
//
// All block as the mode allows, and give a wait up when the migration is told
// to stop. Pages are given isolated: off their list, with one reference held by
// the caller.

#ifndef PAGEFERRY_SERVER_MODEL_MIGRATE_H_
#define PAGEFERRY_SERVER_MODEL_MIGRATE_H_

#include <cstdint>

#include "absl/strings/string_view.h"
#include "server/core/control.h"
#include "server/core/types.h"
#include "server/model/machine.h"
#include "server/model/mapping.h"
#include "server/model/page.h"

namespace pageferry::model {

// What trying one page came to, as the kernel says it.
enum class Verdict : uint8_t {
  kSuccess,   // MIGRATEPAGE_SUCCESS
  kAgain,     // -EAGAIN
  kBusy,      // -EBUSY
  kNoMemory,  // -ENOMEM
  kInvalid,   // -EINVAL
  kIoError,   // -EIO
  kNoSys,     // -ENOSYS
  // The kernel has none such: a wait was given up, everything is as before.
  kStopped,
};

absl::string_view VerdictName(Verdict verdict);

// A verdict and what the kernel keeps to itself: why. For kSuccess the reason
// is kNotPresent where the page was freed meanwhile, else kNone.
struct MoveResult {
  Verdict verdict = Verdict::kSuccess;
  core::Reason reason = core::Reason::kNone;
};

// What holds for one try of one page.
struct MoveContext {
  Machine& machine;
  core::Mode mode;
  // Whether this pass may wait as the mode allows.
  bool force = false;
  // Whether the caller itself is reclaiming memory (PF_MEMALLOC) and may hold
  // locks that others wait for.
  bool in_memory_reclaim = false;
  const core::MigrationControl& control;
};

// Where new pages come from and go back to (new_page_t, free_page_t).
class NewPages {
 public:
  virtual ~NewPages() = default;

  // A page for the content of `page`, with one reference; null when there is
  // no memory where it is to go.
  virtual Page* get_new_page(const Page& page) = 0;

  // Takes a page back that was not needed.
  virtual void put_new_page(Page& new_page) = 0;
};

// Tries to move one page: allocates, tries, and puts back what is done with.
// Unless the verdict is kAgain, kNoMemory or kStopped, the page is isolated no
// more and the caller's reference is put.
//
// Order: no memory (kNoMemory); freed meanwhile, only our reference is left
// (success); a huge page that cannot be split (kBusy, or with the quirks of 4.0
// success, unmoved); then unmap_and_move_locked.
MoveResult unmap_and_move(const MoveContext& context, NewPages& new_pages,
                          Page& page);

// The same for a hugetlb page. Waits for the page lock in forced passes of SYNC
// only, not of SYNC_LIGHT, and never looks at writeback.
MoveResult unmap_and_move_huge_page(const MoveContext& context,
                                    NewPages& new_pages, Page& huge_page);

// __unmap_and_move: takes the page lock, settles writeback, finds the anon_vma,
// leaves balloon pages to their driver, frees the buffers of orphans, unmaps
// the page and moves it.
MoveResult unmap_and_move_locked(const MoveContext& context, Page& new_page,
                                 Page& page);

// Moves an unmapped, locked page in the way that its mapping asks for, and
// puts the new page where the old one was mapped. `page_was_mapped`: whether
// there are migration entries.
MoveResult move_to_new_page(const MoveContext& context, Page& new_page,
                            Page& page, bool page_was_mapped);

// The common case: no private data. `mapping` is page_mapping(page).
MoveResult migrate_page(Mapping* mapping, Page& new_page, Page& page);

// Puts the new page into the mapping's slot, if the old one has no more
// references than expected: 1 for the isolation, 1 for a mapping, 1 for private
// data. Without a mapping: checks the references alone.
MoveResult migrate_page_move_mapping(Mapping* mapping, Page& new_page,
                                     Page& page);

// Copies memory and flags. Nobody can be using the old page.
void migrate_page_copy(Page& new_page, Page& page);

// The migrate operation of file systems on block devices: buffers move along.
// A locked buffer: kAgain in ASYNC, waited for in all passes of the others.
MoveResult buffer_migrate_page(const MoveContext& context, Mapping* mapping,
                               Page& new_page, Page& page);

// The migrate operation of a network file system (nfs_migrate_page): kBusy
// while a request is in flight for the page.
MoveResult network_migrate_page(Mapping* mapping, Page& new_page, Page& page);

// For file systems without a migrate operation. A dirty page: kBusy, in SYNC
// writeout(). Private data that releasepage will not give up: kAgain.
MoveResult fallback_migrate_page(const MoveContext& context, Mapping* mapping,
                                 Page& new_page, Page& page);

// Has a dirty page written, so that a later pass finds it clean: kAgain when it
// was written, or when somebody else writes it; kInvalid where the file has no
// writepage; kIoError when writing failed. The page is mapped again after.
MoveResult writeout(const MoveContext& context, Mapping* mapping, Page& page);

// The driver's answer for a page of a balloon: kAgain while its lock is busy.
MoveResult balloon_page_migrate(Machine& machine, Page& new_page, Page& page);

// Puts an isolated page back to where it was taken from, and the isolation's
// reference with it (putback_lru_page, putback_active_hugepage).
void putback_page(Machine& machine, Page& page);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MIGRATE_H_
