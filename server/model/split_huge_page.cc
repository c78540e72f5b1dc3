// Splitting a transparent huge page (mm/huge_memory.c).

#include <vector>

#include "server/model/address_space.h"
#include "server/model/page_table.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::kHugePagePages;

// The huge entries that map one page, locked and flushed: while this lives,
// nobody uses the page through them.
class SplittingEntries {
 public:
  // Adds the entry that maps `head` at a place, if it does.
  void Add(Vma& vma, uint64_t page_number,
           const Page& head) ABSL_NO_THREAD_SAFETY_ANALYSIS {
    Pmd& pmd = vma.space->page_table().PmdOf(page_number);
    pmd.lock.Lock();
    const Entry entry(pmd.huge.load(std::memory_order_acquire));
    pmd.lock.Unlock();
    if (!entry.maps_page() || entry.pfn() != head.pfn) return;
    auto locked =
        std::make_unique<LockedEntry>(vma.space->page_table(), page_number);
    if (!*locked || !locked->huge() || locked->Read().pfn() != head.pfn) return;
    const Entry old = locked->ClearAndFlush();
    places_.push_back({&pmd, std::move(locked), old});
  }

  int32_t count() const { return static_cast<int32_t>(places_.size()); }

  // Puts the huge entries back.
  void Restore(Machine& machine) {
    for (Place& place : places_) {
      place.entry->Set(place.old);
      machine.waits.Wake(place.entry->key());
    }
  }

  // Puts 512 entries in the place of each (__split_huge_page_map).
  void MapBasePages(Machine& machine, const Page& head) {
    for (Place& place : places_) {
      auto table = std::make_unique<PteTable>();
      const uint64_t bits =
          place.old.bits() &
          (Entry::kWrite | Entry::kAccessible | Entry::kYoung | Entry::kDirty |
           Entry::kSoftDirty | Entry::kNumaHint);
      for (uint32_t i = 0; i < kHugePagePages; ++i) {
        table->entries[i] =
            Entry::Present(core::PageFrameNumber(head.pfn.value() + i), bits)
                .bits();
      }
      place.pmd->table.store(table.release(), std::memory_order_release);
      place.pmd->huge.store(0, std::memory_order_release);
      machine.waits.Wake(place.entry->key());
    }
  }

 private:
  struct Place {
    Pmd* pmd;
    std::unique_ptr<LockedEntry> entry;
    Entry old;
  };
  std::vector<Place> places_;
};

// Makes 512 pages of one, each mapped `mappings` times
// (__split_huge_page_refcount). The references of `head` are frozen; those of
// the caller and its isolation go to `page`.
void SplitReferences(Page& head, Page& page, int32_t mappings) {
  const bool isolated = head.TestAndClear(PageFlag::kIsolated);
  head.Clear(PageFlag::kThp);
  head.Set(PageFlag::kLru);
  for (uint32_t i = 1; i < kHugePagePages; ++i) {
    Page& tail = *(&head + i);
    // A lock or writeback of the huge page stays with the head.
    for (PageFlag flag :
         {PageFlag::kAnon, PageFlag::kSwapBacked, PageFlag::kUptodate,
          PageFlag::kDirty, PageFlag::kReferenced, PageFlag::kActive,
          PageFlag::kMlocked, PageFlag::kUnevictable, PageFlag::kLru}) {
      if (head.Has(flag)) tail.Set(flag);
    }
    tail.mapping = head.mapping;
    tail.index = head.index + i;
    tail.map_count.store(mappings, std::memory_order_release);
    tail.head.store(&tail, std::memory_order_release);
    tail.UnfreezeReferences(mappings + (&tail == &page ? 1 : 0));
  }
  head.map_count.store(mappings, std::memory_order_release);
  head.UnfreezeReferences(mappings + (&head == &page ? 1 : 0));
  if (isolated) {
    page.Clear(PageFlag::kLru);
    page.Set(PageFlag::kIsolated);
  }
}

}  // namespace

bool split_huge_page(Machine& machine, Page& page) {
  Page& head = *page.head.load(std::memory_order_acquire);
  if (page_get_anon_vma(head) == nullptr) return false;
  SplittingEntries entries;
  rmap_walk(head, [&](Vma& vma, uint64_t page_number) {
    entries.Add(vma, page_number, head);
    return true;
  });
  // Linux 4.0 gave references to the tails; since 4.5 (can_split_folio) one
  // that is neither a mapping's nor the caller's stops the split.
  const int32_t mappings = entries.count();
  if (mappings == 0 || mappings != head.map_count.load() ||
      !head.FreezeReferences(mappings + 1)) {
    entries.Restore(machine);
    return false;
  }
  SplitReferences(head, page, mappings);
  entries.MapBasePages(machine, head);
  machine.vmstat.thp_split.fetch_add(1, std::memory_order_relaxed);
  return true;
}

}  // namespace pageferry::model
