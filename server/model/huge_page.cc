#include "server/model/migrate.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::Reason;

// Takes the lock; a forced pass of SYNC waits for it. kSuccess: it is ours.
MoveResult LockHugePage(const MoveContext& context, Page& huge_page) {
  while (!WaitTable::TryLockPage(huge_page)) {
    if (!context.force || context.mode != Mode::kSync) {
      return {Verdict::kAgain, Reason::kLocked};
    }
    if (!context.machine.waits.Wait(
            &huge_page, [&] { return !huge_page.Has(PageFlag::kLocked); },
            context.control, context.machine)) {
      return {Verdict::kStopped, Reason::kNone};
    }
  }
  return {};
}

MoveResult MoveLockedHugePage(const MoveContext& context, Page& new_page,
                              Page& huge_page) {
  std::shared_ptr<ReverseMap> anon_vma = page_get_anon_vma(huge_page);
  const bool page_was_mapped = huge_page.mapped();
  if (page_was_mapped) try_to_unmap(context.machine, huge_page);
  MoveResult result = {Verdict::kAgain, Reason::kBusy};
  if (!huge_page.mapped()) {
    result = move_to_new_page(context, new_page, huge_page, page_was_mapped);
  }
  if (result.verdict != Verdict::kSuccess && page_was_mapped) {
    remove_migration_ptes(context.machine, huge_page, huge_page);
  }
  return result;
}

}  // namespace

MoveResult unmap_and_move_huge_page(const MoveContext& context,
                                    NewPages& new_pages, Page& huge_page) {
  if (!context.machine.traits.hugetlb_migration) {
    putback_page(context.machine, huge_page);
    return {Verdict::kNoSys, Reason::kUnsupported};
  }
  Page* const new_page = new_pages.get_new_page(huge_page);
  if (new_page == nullptr) return {Verdict::kNoMemory, Reason::kNoMemory};
  MoveResult result = LockHugePage(context, huge_page);
  if (result.verdict == Verdict::kSuccess) {
    result = MoveLockedHugePage(context, *new_page, huge_page);
    context.machine.waits.UnlockPage(huge_page);
  }
  if (result.verdict != Verdict::kAgain &&
      result.verdict != Verdict::kStopped) {
    putback_page(context.machine, huge_page);
  }
  if (result.verdict == Verdict::kSuccess) {
    putback_page(context.machine, *new_page);
  } else {
    new_pages.put_new_page(*new_page);
  }
  return result;
}

}  // namespace pageferry::model
