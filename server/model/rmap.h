// The reverse mapping: taking a page out of all page tables that map it, and
// putting a page, the same or its successor, back into them.
//
// Names and steps are those of Linux 4.0's mm/rmap.c, mm/migrate.c and
// mm/huge_memory.c. The mode of a migration matters to none of them: what they
// wait for is page tables and their locks, which is never long.

#ifndef PAGEFERRY_SERVER_MODEL_RMAP_H_
#define PAGEFERRY_SERVER_MODEL_RMAP_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/core/mutex.h"
#include "server/model/machine.h"
#include "server/model/page.h"
#include "server/model/reverse_map.h"
#include "server/model/vma.h"

namespace pageferry::model {

// The VMAs that may map some anonymous pages: the one in which they were first
// touched, and all that were forked from it since.
class AnonVma : public ReverseMap {
 public:
  void Walk(const Page& page, RmapVisitor visit) override;
  void Link(Vma* vma);
  void Unlink(Vma* vma);

 private:
  core::Mutex mutex_;
  std::vector<Vma*> vmas_ ABSL_GUARDED_BY(mutex_);
};

// The places that a KSM page was merged from, which share nothing but content.
class StableNode : public ReverseMap {
 public:
  void Walk(const Page& page, RmapVisitor visit) override;
  void Add(Vma* vma, uint64_t page_number);
  // Adds for `child` what there is for `parent`.
  void Fork(Vma* parent, Vma* child);
  void Unlink(Vma* vma);

 private:
  core::Mutex mutex_;
  std::vector<std::pair<Vma*, uint64_t>> items_ ABSL_GUARDED_BY(mutex_);
};

// Count a page table entry that maps `page`, which takes a reference with it,
// and one that no longer does, whose reference is put.
void page_add_rmap(Page& page);
void page_remove_rmap(Machine& machine, Page& page);

// The anon_vma of a page that is mapped; null when nothing maps it any more, in
// which case its anon_vma may be gone and it could not be put back.
std::shared_ptr<ReverseMap> page_get_anon_vma(const Page& page);

// The mapping in which the page has a slot: its file's, or the swap cache's for
// anonymous pages that are in it; null for others. (page_mapping)
Mapping* page_mapping(Machine& machine, const Page& page);

// Visits every place where the page may be mapped. The page must be locked.
void rmap_walk(Page& page, RmapVisitor visit);

// Replaces every entry that maps the page by a migration entry
// (TTU_MIGRATION); the dirty bits go to the page. On return no access is under
// way through any of them. Entries in temporary stacks stay: see
// Page::mapped(). The page must be locked and referenced. (try_to_migrate()
// since 5.14.)
void try_to_unmap(Machine& machine, Page& page);

// Replaces the migration entries that stand for `old_page` by entries of
// `new_page`, and wakes those who wait at them. Both pages must be locked. To
// the same page: exactly what was there before. To another: old (not young),
// and soft-dirty and writable where the migration entry says so.
void remove_migration_ptes(Machine& machine, Page& old_page, Page& new_page);

// The same for one place. An entry that changed meanwhile is left alone; write
// permission only where the VMA still has it.
void remove_migration_pte(Machine& machine, Page& old_page, Page& new_page,
                          Vma& vma, uint64_t page_number);

// Splits the huge page that `page` is a part of into base pages, mapped as the
// huge page was. The caller's reference and isolation of the head go over to
// `page`. False, and nothing done, when nothing maps it any more or somebody
// else holds a reference.
bool split_huge_page(Machine& machine, Page& page);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_RMAP_H_
