// Loads, stores and page faults of AddressSpace.

#include <utility>

#include "server/model/address_space.h"
#include "server/model/mapping.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::kHugePagePages;
using core::kPageBytes;

// The bits that an access needs in an entry. What they allow is up to the VMA.
constexpr uint64_t NeededBits(bool store) {
  return Entry::kPresent | Entry::kAccessible | (store ? Entry::kWrite : 0);
}

uint64_t PresentBits(const Vma& vma, bool write) {
  return Entry::kAccessible | Entry::kYoung |
         (write && vma.writable.load() ? Entry::kWrite : 0);
}

}  // namespace

template <typename Operation>
Access AddressSpace::AccessWord(core::VirtualAddress address, bool store,
                                Operation operation) {
  const uint64_t page_number = address.page_number();
  const uint64_t set_bits =
      Entry::kYoung | (store ? Entry::kDirty | Entry::kSoftDirty : 0);
  while (true) {
    const EntrySlot slot = page_table_.Find(page_number);
    Entry entry = slot ? slot.Read() : Entry();
    if ((entry.bits() & NeededBits(store)) != NeededBits(store)) {
      const Access fault = HandleFault(page_number, store);
      if (fault != Access::kDone) return fault;
      continue;
    }
    uint64_t bits = entry.bits();
    if ((bits & Entry::kAccessMask) == Entry::kAccessMask ||
        !slot.entry->compare_exchange_weak(
            bits, (bits | set_bits) + Entry::kOneAccess,
            std::memory_order_acq_rel)) {
      continue;
    }
    // From here to the decrement nobody can take the frame away.
    uint8_t* frame = machine_.zero_frame.data();
    if (!entry.Has(Entry::kZeroPage)) {
      frame = machine_.memory.PageOf(entry.pfn()).frame;
    }
    const uint64_t mask = (slot.huge ? kHugePagePages : 1) * kPageBytes - 1;
    operation(frame, address.value() & mask & ~uint64_t{7});
    slot.entry->fetch_sub(Entry::kOneAccess, std::memory_order_release);
    return Access::kDone;
  }
}

Access AddressSpace::Load(core::VirtualAddress address, uint64_t* value) {
  return AccessWord(address, false, [value](uint8_t* frame, uint64_t offset) {
    *value = LoadWord(frame, offset);
  });
}

Access AddressSpace::Store(core::VirtualAddress address, uint64_t value) {
  return AccessWord(address, true, [value](uint8_t* frame, uint64_t offset) {
    StoreWord(frame, offset, value);
  });
}

Access AddressSpace::HandleFault(uint64_t page_number, bool store) {
  Page* busy_page = nullptr;
  const std::atomic<uint64_t>* busy_entry = nullptr;
  {
    core::MutexLock lock(&mmap_lock_);
    Vma* const vma = FindVma(page_number);
    if (vma == nullptr) return Access::kNotMapped;
    if (vma->kind == VmaKind::kDevice || vma->kind == VmaKind::kBalloon ||
        !(store ? vma->writable.load() : vma->readable.load())) {
      return Access::kNoPermission;
    }
    LockedEntry entry(page_table_, page_number, LockedEntry::kCreateMissing);
    switch (ResolveFault(*vma, page_number, store, entry, &busy_page)) {
      case Fault::kResolved:
        return Access::kDone;
      case Fault::kNoMemory:
        return Access::kNoMemory;
      case Fault::kWaitForPage:
        break;
      case Fault::kWaitForEntry:
        busy_entry = static_cast<const std::atomic<uint64_t>*>(entry.key());
    }
  }
  // migration_entry_wait. Unlike Linux 4.0 without a reference to the page,
  // which would make the migration answer "again" at random.
  if (busy_entry != nullptr) {
    machine_.waits.Wait(busy_entry, [busy_entry] {
      return !Entry(busy_entry->load(std::memory_order_acquire))
                  .Has(Entry::kMigration);
    });
  } else {
    machine_.waits.Wait(busy_page,
                        [&] { return !busy_page->Has(PageFlag::kLocked); });
  }
  return Access::kDone;
}

// With the entry locked, nothing can take a page that it maps away.
AddressSpace::Fault AddressSpace::ResolveFault(Vma& vma, uint64_t page_number,
                                               bool store, LockedEntry& entry,
                                               Page** busy_page) {
  const Entry found = entry.Read();
  if (found.Has(Entry::kMigration)) return Fault::kWaitForEntry;
  if (found.Has(Entry::kSwap)) return SwapIn(vma, page_number, entry);
  if (!found.present() || (store && found.Has(Entry::kZeroPage))) {
    return MapMissing(vma, page_number, store, entry, busy_page);
  }
  if (found.Has(Entry::kNumaHint)) {
    machine_.vmstat.numa_hint_faults.fetch_add(1, std::memory_order_relaxed);
    entry.Update(Entry::kNumaHint, Entry::kAccessible);
    return Fault::kResolved;
  }
  if (store && !found.Has(Entry::kWrite)) {
    return WriteProtected(vma, page_number, entry, busy_page);
  }
  return Fault::kResolved;
}

AddressSpace::Fault AddressSpace::MapMissing(Vma& vma, uint64_t page_number,
                                             bool store, LockedEntry& entry,
                                             Page** busy_page) {
  if (vma.kind == VmaKind::kFile) {
    return MapFilePage(vma, page_number, entry, busy_page);
  }
  // hugetlb pages are made when they are mapped, not by faults.
  if (vma.kind == VmaKind::kHugetlb) return Fault::kNoMemory;
  if (!store) {
    entry.Set(
        Entry(Entry::kPresent | Entry::kZeroPage | PresentBits(vma, false)));
    return Fault::kResolved;
  }
  Page* const page = NewAnonymousPage(vma, page_number, 1);
  if (page == nullptr) return Fault::kNoMemory;
  entry.ClearAndFlush();
  entry.Set(Entry::Present(page->pfn, PresentBits(vma, true)));
  return Fault::kResolved;
}

AddressSpace::Fault AddressSpace::MapFilePage(Vma& vma, uint64_t page_number,
                                              LockedEntry& entry,
                                              Page** busy_page) {
  const uint64_t index = vma.IndexOf(page_number);
  Page* page = vma.file->GetPage(index);
  if (page == nullptr) {
    page = AllocateAnywhere(1);
    if (page == nullptr) return Fault::kNoMemory;
    CopyWords(page->frame, machine_.zero_frame.data(), kPageBytes);
    page->mapping = vma.file;
    page->index = index;
    page->Set(PageFlag::kUptodate);
    page->Set(PageFlag::kLru);
    if (!vma.file->Insert(index, *page)) {
      // Another process was quicker: use its page, in the next round.
      machine_.memory.Put(*page);
      return Fault::kResolved;
    }
  }
  // Locked, so that no migration is between filling its copy and using it.
  if (!WaitTable::TryLockPage(*page)) {
    *busy_page = page;
    machine_.memory.Put(*page);
    return Fault::kWaitForPage;
  }
  // Truncated or migrated before the lock was ours: look again.
  if (vma.file->Holds(index, *page)) {
    page_add_rmap(*page);
    entry.Set(Entry::Present(page->pfn, PresentBits(vma, vma.shared)));
  }
  machine_.waits.UnlockPage(*page);
  machine_.memory.Put(*page);
  return Fault::kResolved;
}

AddressSpace::Fault AddressSpace::SwapIn(Vma& vma, uint64_t page_number,
                                         LockedEntry& entry) {
  Page* const page = NewAnonymousPage(vma, page_number, 1);
  if (page == nullptr) return Fault::kNoMemory;
  machine_.swap.ReadIn(entry.Read().number(), page->frame);
  entry.Set(Entry::Present(page->pfn, PresentBits(vma, true)));
  return Fault::kResolved;
}

// do_wp_page: a store to a page that may be written, but not through this entry
// yet.
AddressSpace::Fault AddressSpace::WriteProtected(Vma& vma, uint64_t page_number,
                                                 LockedEntry& entry,
                                                 Page** busy_page) {
  if (vma.shared) {
    entry.Update(0, Entry::kWrite);
    return Fault::kResolved;
  }
  Page& page = machine_.memory.PageOf(entry.Read().pfn());
  // The page lock keeps a migration from putting back the entries of others
  // while we count them.
  if (!WaitTable::TryLockPage(page)) {
    *busy_page = &page;
    return Fault::kWaitForPage;
  }
  const bool only_ours =
      page.Has(PageFlag::kAnon) && !page.Has(PageFlag::kKsm) &&
      !page.Has(PageFlag::kSwapCache) && page.map_count.load() == 1;
  if (only_ours) {
    entry.Update(0, Entry::kWrite);
    machine_.waits.UnlockPage(page);
    return Fault::kResolved;
  }
  const uint32_t pages = page.folio_pages();
  Page* const copy = NewAnonymousPage(
      vma, page_number - (pages == 1 ? 0 : page_number % kHugePagePages),
      pages);
  if (copy != nullptr) {
    CopyWords(copy->frame, page.frame, pages * kPageBytes);
    for (PageFlag kind : {PageFlag::kThp, PageFlag::kHugetlb}) {
      if (page.Has(kind)) copy->Set(kind);
    }
    entry.ClearAndFlush();
    entry.Set(Entry::Present(copy->pfn, PresentBits(vma, true)));
  }
  machine_.waits.UnlockPage(page);
  if (copy == nullptr) return Fault::kNoMemory;
  page_remove_rmap(machine_, page);
  return Fault::kResolved;
}

Page* AddressSpace::AllocateAnywhere(uint32_t pages) {
  for (core::NodeId node : allocation_order_) {
    Page* const page = machine_.memory.Allocate(node, pages);
    if (page != nullptr) return page;
  }
  return nullptr;
}

// A page of zeroes with one mapping, which the caller must make.
Page* AddressSpace::NewAnonymousPage(Vma& vma, uint64_t page_number,
                                     uint32_t pages) {
  Page* const page = AllocateAnywhere(pages);
  if (page == nullptr) return nullptr;
  for (uint32_t i = 0; i < pages; ++i) {
    CopyWords(page->frame + i * kPageBytes, machine_.zero_frame.data(),
              kPageBytes);
  }
  page->mapping = vma.anon_vma;
  page->index = vma.IndexOf(page_number);
  for (PageFlag flag : {PageFlag::kAnon, PageFlag::kSwapBacked,
                        PageFlag::kUptodate, PageFlag::kLru}) {
    page->Set(flag);
  }
  page->map_count.store(1, std::memory_order_release);
  return page;
}

}  // namespace pageferry::model
