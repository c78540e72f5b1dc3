#include "server/model/rmap.h"

#include <algorithm>

#include "server/model/address_space.h"
#include "server/model/mapping.h"
#include "server/model/page_table.h"

namespace pageferry::model {
namespace {

// What a migration entry keeps of the entry that it replaces. Linux 4.0 keeps
// write and soft-dirty; the others are for putting the same page back exactly.
constexpr uint64_t kKeptBits = Entry::kWrite | Entry::kSoftDirty |
                               Entry::kYoung | Entry::kDirty | Entry::kNumaHint;

}  // namespace

void AnonVma::Walk(const Page& page, RmapVisitor visit) {
  core::MutexLock lock(&mutex_);
  for (Vma* const vma : vmas_) {
    if (page.index < vma->page_offset) continue;
    const uint64_t page_number = vma->PageNumberOf(page.index);
    if (vma->Contains(page_number) && !visit(*vma, page_number)) return;
  }
}

void AnonVma::Link(Vma* vma) {
  core::MutexLock lock(&mutex_);
  vmas_.push_back(vma);
}

void AnonVma::Unlink(Vma* vma) {
  core::MutexLock lock(&mutex_);
  vmas_.erase(std::remove(vmas_.begin(), vmas_.end(), vma), vmas_.end());
}

void StableNode::Walk(const Page&, RmapVisitor visit) {
  core::MutexLock lock(&mutex_);
  for (const auto& [vma, page_number] : items_) {
    if (!visit(*vma, page_number)) return;
  }
}

void StableNode::Add(Vma* vma, uint64_t page_number) {
  core::MutexLock lock(&mutex_);
  items_.emplace_back(vma, page_number);
}

void StableNode::Fork(Vma* parent, Vma* child) {
  core::MutexLock lock(&mutex_);
  const size_t count = items_.size();
  for (size_t i = 0; i < count; ++i) {
    if (items_[i].first == parent) items_.emplace_back(child, items_[i].second);
  }
}

void StableNode::Unlink(Vma* vma) {
  core::MutexLock lock(&mutex_);
  items_.erase(
      std::remove_if(items_.begin(), items_.end(),
                     [vma](const auto& item) { return item.first == vma; }),
      items_.end());
}

void page_add_rmap(Page& page) {
  page.Get();
  page.map_count.fetch_add(1, std::memory_order_acq_rel);
}

void page_remove_rmap(Machine& machine, Page& page) {
  page.map_count.fetch_sub(1, std::memory_order_acq_rel);
  machine.memory.Put(page);
}

std::shared_ptr<ReverseMap> page_get_anon_vma(const Page& page) {
  return page.mapped() ? page.mapping : nullptr;
}

Mapping* page_mapping(Machine& machine, const Page& page) {
  if (page.Has(PageFlag::kSwapCache)) return &machine.swap.cache();
  if (page.Has(PageFlag::kAnon) || page.Has(PageFlag::kBalloon)) return nullptr;
  return static_cast<Mapping*>(page.mapping.get());
}

void rmap_walk(Page& page, RmapVisitor visit) {
  if (page.mapping != nullptr) page.mapping->Walk(page, visit);
}

void try_to_unmap(Machine& machine, Page& page) {
  rmap_walk(page, [&](Vma& vma, uint64_t page_number) {
    // invalid_migration_vma: exec is about to shift these entries, and would
    // take migration entries along to where nobody finds them.
    if (vma.temporary_stack) return true;
    LockedEntry entry(vma.space->page_table(), page_number);
    if (!entry || !entry.Read().maps_page() || entry.Read().pfn() != page.pfn) {
      return true;
    }
    const Entry old = entry.ClearAndFlush();
    if (old.Has(Entry::kDirty)) page.Set(PageFlag::kDirty);
    entry.Set(Entry::Migration(page.pfn, old.bits() & kKeptBits));
    page_remove_rmap(machine, page);
    return page.mapped();
  });
}

void remove_migration_ptes(Machine& machine, Page& old_page, Page& new_page) {
  rmap_walk(new_page, [&](Vma& vma, uint64_t page_number) {
    remove_migration_pte(machine, old_page, new_page, vma, page_number);
    return true;
  });
}

void remove_migration_pte(Machine& machine, Page& old_page, Page& new_page,
                          Vma& vma, uint64_t page_number) {
  LockedEntry entry(vma.space->page_table(), page_number);
  if (!entry) return;
  const Entry old = entry.Read();
  if (!old.Has(Entry::kMigration) || old.pfn() != old_page.pfn) return;
  uint64_t bits = old.bits() & Entry::kSoftDirty;
  if (old.Has(Entry::kWrite) && vma.writable.load()) bits |= Entry::kWrite;
  if (&old_page == &new_page) {
    bits |= old.bits() & (Entry::kYoung | Entry::kDirty | Entry::kNumaHint);
  }
  if (vma.readable.load() && (bits & Entry::kNumaHint) == 0) {
    bits |= Entry::kAccessible;
  }
  page_add_rmap(new_page);
  entry.Set(Entry::Present(new_page.pfn, bits));
  machine.waits.Wake(entry.key());
}

}  // namespace pageferry::model
