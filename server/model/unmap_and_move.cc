#include "absl/strings/string_view.h"
#include "server/model/balloon.h"
#include "server/model/buffers.h"
#include "server/model/migrate.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::Reason;

// Takes the page lock as far as the mode lets us wait for it. kSuccess: it is
// ours.
MoveResult LockForMove(const MoveContext& context, Page& page) {
  if (WaitTable::TryLockPage(page)) return {};
  if (!context.force || context.mode == Mode::kAsync) {
    return {Verdict::kAgain, Reason::kLocked};
  }
  // Who reclaims memory may be the very one that the holder waits for.
  if (context.in_memory_reclaim) return {Verdict::kAgain, Reason::kLocked};
  while (!WaitTable::TryLockPage(page)) {
    if (!context.machine.waits.Wait(
            &page, [&] { return !page.Has(PageFlag::kLocked); },
            context.control, context.machine)) {
      return {Verdict::kStopped, Reason::kNone};
    }
  }
  return {};
}

// Settles writeback of a page that we have locked. kSuccess: there is none.
MoveResult AwaitWriteback(const MoveContext& context, Page& page) {
  if (!page.Has(PageFlag::kWriteback)) return {};
  // SYNC_LIGHT too: it is for callers that may wait for locks but not for I/O.
  if (context.mode != Mode::kSync) return {Verdict::kBusy, Reason::kWriteback};
  if (!context.force) return {Verdict::kAgain, Reason::kWriteback};
  const bool ended = context.machine.waits.Wait(
      &page, [&] { return !page.Has(PageFlag::kWriteback); }, context.control,
      context.machine);
  if (!ended) return {Verdict::kStopped, Reason::kNone};
  return {};
}

// Frees an orphan's buffers, which were all that kept it (try_to_free_buffers).
void FreeOrphansBuffers(Machine& machine, Page& page) {
  if (page.buffers != nullptr && page.buffers->AnyLocked()) return;
  page.buffers.reset();
  page.Clear(PageFlag::kPrivate);
  machine.memory.Put(page);
}

// What __unmap_and_move does between lock and unlock.
MoveResult MoveLocked(const MoveContext& context, Page& new_page, Page& page) {
  MoveResult result = AwaitWriteback(context, page);
  if (result.verdict != Verdict::kSuccess) return result;

  // Holding the anon_vma keeps the way back: the page's mappings can be found
  // again even when nothing maps it for a while.
  std::shared_ptr<ReverseMap> anon_vma;
  if (page.Has(PageFlag::kAnon) && !page.Has(PageFlag::kKsm)) {
    anon_vma = page_get_anon_vma(page);
    // Without one the page could not be mapped again. In the swap cache it need
    // not be: whoever faults finds it there. (4.0's comment asks whether such
    // pages exist; they do, between unmapping and swap-out.)
    if (anon_vma == nullptr && !page.Has(PageFlag::kSwapCache)) {
      return {Verdict::kAgain, Reason::kBusy};
    }
  }
  if (page.Has(PageFlag::kBalloon)) {
    return balloon_page_migrate(context.machine, new_page, page);
  }
  if (page.mapping == nullptr) {
    // Truncated while it was isolated. Only its buffers may keep it.
    if (page.Has(PageFlag::kPrivate)) {
      FreeOrphansBuffers(context.machine, page);
      return {Verdict::kAgain, Reason::kBusy};
    }
    return move_to_new_page(context, new_page, page, false);
  }

  const bool page_was_mapped = page.mapped();
  if (page_was_mapped) try_to_unmap(context.machine, page);
  result = {Verdict::kAgain, Reason::kBusy};
  if (!page.mapped()) {
    result = move_to_new_page(context, new_page, page, page_was_mapped);
  }
  if (result.verdict != Verdict::kSuccess && page_was_mapped) {
    remove_migration_ptes(context.machine, page, page);
  }
  return result;
}

// The isolated page of which `page` is a part: the head, until it was split.
Page& IsolatedPart(Page& page) {
  return *page.head.load(std::memory_order_acquire);
}

MoveResult TryPage(const MoveContext& context, Page& new_page, Page& page) {
  if (IsolatedPart(page).references() == 1) {
    return {Verdict::kSuccess, Reason::kNotPresent};
  }
  if (IsolatedPart(page).Has(PageFlag::kThp) &&
      !split_huge_page(context.machine, page)) {
    // 4.0 jumps to its exit with rc 0: counted as moved, and put back unmoved.
    if (context.machine.traits.linux_4_0_quirks) return {};
    return {Verdict::kBusy, Reason::kPinned};
  }
  return unmap_and_move_locked(context, new_page, page);
}

}  // namespace

absl::string_view VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSuccess:
      return "success";
    case Verdict::kAgain:
      return "EAGAIN";
    case Verdict::kBusy:
      return "EBUSY";
    case Verdict::kNoMemory:
      return "ENOMEM";
    case Verdict::kInvalid:
      return "EINVAL";
    case Verdict::kIoError:
      return "EIO";
    case Verdict::kNoSys:
      return "ENOSYS";
    case Verdict::kStopped:
      return "stopped";
  }
  return "unknown";
}

void putback_page(Machine& machine, Page& page) {
  page.Clear(PageFlag::kIsolated);
  if (!page.Has(PageFlag::kBalloon)) page.Set(PageFlag::kLru);
  machine.memory.Put(page);
}

MoveResult unmap_and_move(const MoveContext& context, NewPages& new_pages,
                          Page& page) {
  Page* const new_page = new_pages.get_new_page(page);
  if (new_page == nullptr) return {Verdict::kNoMemory, Reason::kNoMemory};
  const MoveResult result = TryPage(context, *new_page, page);
  const bool keep_isolated =
      result.verdict == Verdict::kAgain || result.verdict == Verdict::kStopped;
  if (!keep_isolated) putback_page(context.machine, IsolatedPart(page));
  if (result.verdict == Verdict::kSuccess && new_page->mapping != nullptr) {
    putback_page(context.machine, *new_page);
  } else {
    new_pages.put_new_page(*new_page);
  }
  return result;
}

MoveResult unmap_and_move_locked(const MoveContext& context, Page& new_page,
                                 Page& page) {
  MoveResult result = LockForMove(context, page);
  if (result.verdict != Verdict::kSuccess) return result;
  result = MoveLocked(context, new_page, page);
  context.machine.waits.UnlockPage(page);
  return result;
}

MoveResult balloon_page_migrate(Machine& machine, Page& new_page, Page& page) {
  auto& balloon = static_cast<Balloon&>(*page.mapping);
  switch (balloon.Migrate(page, new_page)) {
    case Balloon::Exchange::kLockBusy:
      return {Verdict::kAgain, Reason::kLocked};
    case Balloon::Exchange::kRefused:
      return {Verdict::kBusy, Reason::kBusy};
    case Balloon::Exchange::kDone:
      break;
  }
  // The balloon's own reference.
  machine.memory.Put(page);
  return {};
}

}  // namespace pageferry::model
