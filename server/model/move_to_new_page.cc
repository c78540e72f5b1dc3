#include <cstring>
#include <initializer_list>

#include "server/model/migrate.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::Reason;

// What the mapping's migrate operation makes of the page.
MoveResult MigrateByMapping(const MoveContext& context, Page& new_page,
                            Page& page) {
  Mapping* const mapping = page_mapping(context.machine, page);
  if (mapping == nullptr) {
    return migrate_page(mapping, new_page, page);
  }
  switch (mapping->operations().migrate) {
    case MigrateOperation::kPlain:
      return migrate_page(mapping, new_page, page);
    case MigrateOperation::kBuffer:
      return buffer_migrate_page(context, mapping, new_page, page);
    case MigrateOperation::kNetwork:
      return network_migrate_page(mapping, new_page, page);
    case MigrateOperation::kNone:
      break;
  }
  return fallback_migrate_page(context, mapping, new_page, page);
}

}  // namespace

MoveResult move_to_new_page(const MoveContext& context, Page& new_page,
                            Page& page, bool page_was_mapped) {
  // Nobody else knows the new page yet, so this lock is free; it is for those
  // who find the page in the page cache before its content is there.
  WaitTable::TryLockPage(new_page);
  new_page.index = page.index;
  new_page.mapping = page.mapping;
  // Before the page can be found: what else tells how it is to be treated.
  for (PageFlag kind : {PageFlag::kSwapBacked, PageFlag::kAnon, PageFlag::kKsm,
                        PageFlag::kHugetlb}) {
    if (page.Has(kind)) new_page.Set(kind);
  }
  const MoveResult result = MigrateByMapping(context, new_page, page);
  if (result.verdict == Verdict::kSuccess) {
    if (page_was_mapped) remove_migration_ptes(context.machine, page, new_page);
    page.mapping.reset();
  } else {
    new_page.mapping.reset();
  }
  context.machine.waits.UnlockPage(new_page);
  return result;
}

MoveResult migrate_page(Mapping* mapping, Page& new_page, Page& page) {
  const MoveResult result = migrate_page_move_mapping(mapping, new_page, page);
  if (result.verdict != Verdict::kSuccess) return result;
  migrate_page_copy(new_page, page);
  return {};
}

MoveResult migrate_page_move_mapping(Mapping* mapping, Page& new_page,
                                     Page& page) {
  int32_t expected = 1;
  if (mapping == nullptr) {
    // Anonymous: only page tables knew the page, and they do not any more.
    if (page.references() != expected)
      return {Verdict::kAgain, Reason::kPinned};
    return {};
  }
  expected += 1 + (page.Has(PageFlag::kPrivate) ? 1 : 0);
  const bool swap_cached = page.Has(PageFlag::kSwapCache);
  if (swap_cached) {
    // Set before the slot shows the new page to those who fault.
    new_page.swap_slot = page.swap_slot;
    new_page.Set(PageFlag::kSwapCache);
  }
  const Mapping::Replacement replaced = mapping->Replace(
      swap_cached ? page.swap_slot : page.index, page, new_page, expected);
  if (replaced == Mapping::Replacement::kDone) return {};
  if (swap_cached) new_page.Clear(PageFlag::kSwapCache);
  return {Verdict::kAgain, replaced == Mapping::Replacement::kReferenced
                               ? Reason::kPinned
                               : Reason::kBusy};
}

void migrate_page_copy(Page& new_page, Page& page) {
  std::memcpy(new_page.frame, page.frame, page.folio_bytes());
  for (PageFlag flag :
       {PageFlag::kReferenced, PageFlag::kUptodate, PageFlag::kActive,
        PageFlag::kUnevictable, PageFlag::kMlocked, PageFlag::kDirty}) {
    if (page.Has(flag)) new_page.Set(flag);
  }
  for (PageFlag flag : {PageFlag::kActive, PageFlag::kUnevictable,
                        PageFlag::kMlocked, PageFlag::kDirty}) {
    page.Clear(flag);
  }
  // The stable node of a KSM page is found through its mapping, which the new
  // page has already (ksm_migrate_page).
  page.Clear(PageFlag::kSwapCache);
  page.Clear(PageFlag::kPrivate);
}

}  // namespace pageferry::model
