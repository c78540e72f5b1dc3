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
  // no memory where it is to go. Up to the caller of the core, not to the mode.
  virtual Page* get_new_page(const Page& page) = 0;

  // Takes a page back that was not needed.
  virtual void put_new_page(Page& new_page) = 0;
};

// Tries to move one page: allocates, tries, and puts back what is done with.
// Unless the verdict is kAgain, kNoMemory or kStopped, the page is isolated no
// more and the caller's reference is put.
//
// Order, the same in all modes: no memory (kNoMemory); freed meanwhile, only
// our reference is left (success); a huge page that cannot be split (kBusy, or
// with the quirks of 4.0 success, unmoved); then unmap_and_move_locked. Later
// kernels move huge pages whole where they can (4.14), and handle folios in
// batches (6.3).
MoveResult unmap_and_move(const MoveContext& context, NewPages& new_pages,
                          Page& page);

// The same for a hugetlb page (4.0). Waits for the page lock in forced passes
// of SYNC only, not of SYNC_LIGHT, and never looks at writeback. kNoSys, in all
// modes, where the machine cannot migrate hugetlb pages.
MoveResult unmap_and_move_huge_page(const MoveContext& context,
                                    NewPages& new_pages, Page& huge_page);

// __unmap_and_move of 4.0: takes the page lock, settles writeback, finds the
// anon_vma, leaves balloon pages to their driver, frees the buffers of orphans,
// unmaps the page and moves it.
//
// The lock: ASYNC and passes 0 to 2 do not wait (kAgain), forced passes of
// SYNC_LIGHT and SYNC do, but for callers in memory reclaim. Writeback: kBusy
// in ASYNC and SYNC_LIGHT; SYNC says kAgain and waits in forced passes. The
// rest is the same in all modes. Since 6.5 SYNC_LIGHT waits for no lock under
// which a page is being read from storage.
MoveResult unmap_and_move_locked(const MoveContext& context, Page& new_page,
                                 Page& page);

// Moves an unmapped, locked page in the way that its mapping asks for, and
// puts the new page where the old one was mapped (4.0; later kernels map it
// only after the move). The mode matters to what it calls. `page_was_mapped`:
// whether there are migration entries.
MoveResult move_to_new_page(const MoveContext& context, Page& new_page,
                            Page& page, bool page_was_mapped);

// The common case: no private data. `mapping` is page_mapping(page). The same
// in all modes and kernels; migrate_folio() since 6.0.
MoveResult migrate_page(Mapping* mapping, Page& new_page, Page& page);

// Puts the new page into the mapping's slot, if the old one has no more
// references than expected: 1 for the isolation, 1 for a mapping, 1 for private
// data. Without a mapping: checks the references alone. Else kAgain. After 4.0,
// the same in all modes.
MoveResult migrate_page_move_mapping(Mapping* mapping, Page& new_page,
                                     Page& page);

// Copies memory and flags. Nobody can be using the old page. After 4.0, the
// same in all modes.
void migrate_page_copy(Page& new_page, Page& page);

// The migrate operation of file systems on block devices: buffers move along.
// A locked buffer: kAgain in ASYNC, waited for in all passes of the others, as
// in 4.0; since 6.5 SYNC_LIGHT waits for no buffer that is being read. The
// order of the checks is that of 4.20.
MoveResult buffer_migrate_page(const MoveContext& context, Mapping* mapping,
                               Page& new_page, Page& page);

// The migrate operation of a network file system (4.0's nfs_migrate_page):
// kBusy, in all modes, while a request is in flight for the page.
MoveResult network_migrate_page(Mapping* mapping, Page& new_page, Page& page);

// For file systems without a migrate operation, after 4.0. A dirty page: kBusy
// in ASYNC and SYNC_LIGHT, in SYNC writeout(); since 6.16 kBusy in all modes.
// Private data that releasepage will not give up: kAgain in all modes.
MoveResult fallback_migrate_page(const MoveContext& context, Mapping* mapping,
                                 Page& new_page, Page& page);

// Has a dirty page written, so that a later pass finds it clean: kAgain when it
// was written, or when somebody else writes it; kInvalid where the file has no
// writepage; kIoError when writing failed. The page is mapped again after. For
// SYNC alone; kernels before 6.16 have it.
MoveResult writeout(const MoveContext& context, Mapping* mapping, Page& page);

// The driver's answer for a page of a balloon, the same in all modes: kAgain
// while its lock is busy, kBusy where the host refuses. 4.0's; since 4.8 such
// pages have a mapping whose migrate operation does this.
MoveResult balloon_page_migrate(Machine& machine, Page& new_page, Page& page);

// Puts an isolated page back to where it was taken from, and the isolation's
// reference with it (putback_lru_page, putback_active_hugepage).
void putback_page(Machine& machine, Page& page);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MIGRATE_H_
