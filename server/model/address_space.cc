#include "server/model/address_space.h"

#include <algorithm>
#include <utility>

#include "server/model/balloon.h"
#include "server/model/mapping.h"
#include "server/model/rmap.h"

namespace pageferry::model {

using core::kHugePagePages;

AddressSpace::AddressSpace(Machine* machine,
                           std::vector<core::NodeId> allocation_order)
    : machine_(*machine), allocation_order_(std::move(allocation_order)) {}

AddressSpace::~AddressSpace() { Exit(); }

void AddressSpace::Map(std::unique_ptr<Vma> vma) {
  core::MutexLock lock(&mmap_lock_);
  vma->space = this;
  if (vma->kind == VmaKind::kFile) vma->file->Link(vma.get());
  // A private mapping of a file gets anonymous pages as well, by its stores.
  if (!vma->shared && vma->anon_vma == nullptr) {
    vma->anon_vma = std::make_shared<AnonVma>();
    vma->anon_vma_chain.push_back(vma->anon_vma);
  }
  for (const auto& anon_vma : vma->anon_vma_chain) anon_vma->Link(vma.get());
  const uint64_t start_page = vma->start_page;
  vmas_[start_page] = std::move(vma);
}

Vma* AddressSpace::FindVma(uint64_t page_number) const {
  auto after = vmas_.upper_bound(page_number);
  if (after == vmas_.begin()) return nullptr;
  Vma* const vma = std::prev(after)->second.get();
  return vma->Contains(page_number) ? vma : nullptr;
}

void AddressSpace::WithVma(uint64_t page_number,
                           absl::FunctionRef<void(Vma*)> visit) {
  core::MutexLock lock(&mmap_lock_);
  visit(FindVma(page_number));
}

void AddressSpace::ForEachVma(absl::FunctionRef<void(Vma&)> visit) {
  core::MutexLock lock(&mmap_lock_);
  for (const auto& [start, vma] : vmas_) visit(*vma);
}

void ForEachEntry(const Vma& vma, absl::FunctionRef<void(uint64_t)> visit) {
  uint64_t page_number = vma.start_page;
  while (page_number < vma.end_page) {
    const EntrySlot slot = vma.space->page_table().Find(page_number);
    const uint64_t next_pmd =
        (page_number / kHugePagePages + 1) * kHugePagePages;
    if (!slot) {
      page_number = next_pmd;
      continue;
    }
    if (!slot.Read().empty()) visit(page_number);
    page_number = slot.huge ? next_pmd : page_number + 1;
  }
}

void AddressSpace::Protect(uint64_t page_number, bool readable, bool writable) {
  core::MutexLock lock(&mmap_lock_);
  Vma* const vma = FindVma(page_number);
  if (vma == nullptr) return;
  // First the VMA, then the entries: a migration that ends in between reads
  // the VMA under the entry's lock, so it cannot bring a right back.
  vma->readable.store(readable);
  vma->writable.store(writable);
  ForEachEntry(*vma, [&](uint64_t number) {
    LockedEntry entry(page_table_, number);
    if (!entry || entry.Read().empty()) return;
    const Entry old = entry.ClearAndFlush();
    uint64_t bits = old.bits();
    if (!writable) bits &= ~Entry::kWrite;
    if (old.present() && !old.Has(Entry::kNumaHint)) {
      bits = readable ? bits | Entry::kAccessible : bits & ~Entry::kAccessible;
    }
    entry.Set(Entry(bits));
  });
}

void AddressSpace::HideBehindNumaHint(uint64_t page_number) {
  core::MutexLock lock(&mmap_lock_);
  LockedEntry entry(page_table_, page_number);
  if (!entry || !entry.Read().maps_page() ||
      !entry.Read().Has(Entry::kAccessible)) {
    return;
  }
  const Entry old = entry.ClearAndFlush();
  entry.Set(Entry((old.bits() & ~Entry::kAccessible) | Entry::kNumaHint));
}

void AddressSpace::ClearNumaHint(uint64_t page_number) {
  core::MutexLock lock(&mmap_lock_);
  LockedEntry entry(page_table_, page_number);
  if (entry && entry.Read().maps_page() && entry.Read().Has(Entry::kNumaHint)) {
    entry.Update(Entry::kNumaHint, Entry::kAccessible);
    machine_.vmstat.numa_hint_faults.fetch_add(1, std::memory_order_relaxed);
  }
}

void AddressSpace::ClearSoftDirty() {
  core::MutexLock lock(&mmap_lock_);
  for (const auto& [start, vma] : vmas_) {
    ForEachEntry(*vma, [&](uint64_t number) {
      LockedEntry entry(page_table_, number);
      if (entry) entry.Update(Entry::kSoftDirty, 0);
    });
  }
}

void AddressSpace::Zap(uint64_t page_number) {
  core::MutexLock lock(&mmap_lock_);
  LockedEntry entry(page_table_, page_number);
  if (entry) ZapEntry(entry);
}

void AddressSpace::ZapEntry(LockedEntry& entry) {
  const Entry old = entry.ClearAndFlush();
  entry.Set(Entry());
  machine_.waits.Wake(entry.key());
  if (old.Has(Entry::kSwap)) machine_.swap.Free(old.number());
  if (!old.maps_page()) return;
  Page& page = machine_.memory.PageOf(old.pfn());
  if (old.Has(Entry::kDirty)) page.Set(PageFlag::kDirty);
  page_remove_rmap(machine_, page);
}

void AddressSpace::UnlinkVma(Vma& vma) {
  for (const auto& anon_vma : vma.anon_vma_chain) anon_vma->Unlink(&vma);
  for (const auto& node : vma.stable_nodes) node->Unlink(&vma);
  if (vma.kind == VmaKind::kFile) vma.file->Unlink(&vma);
}

void AddressSpace::Exit() {
  core::MutexLock lock(&mmap_lock_);
  for (const auto& [start, vma] : vmas_) {
    ForEachEntry(*vma, [&](uint64_t number) {
      LockedEntry entry(page_table_, number);
      if (entry) ZapEntry(entry);
    });
    UnlinkVma(*vma);
  }
  vmas_.clear();
}

void AddressSpace::ForkInto(AddressSpace& child) {
  core::MutexLock lock(&mmap_lock_);
  for (const auto& [start, vma] : vmas_) {
    auto copy = std::make_unique<Vma>();
    copy->space = &child;
    copy->start_page = vma->start_page;
    copy->end_page = vma->end_page;
    copy->kind = vma->kind;
    copy->readable = vma->readable.load();
    copy->writable = vma->writable.load();
    copy->shared = vma->shared;
    copy->page_offset = vma->page_offset;
    copy->file = vma->file;
    copy->balloon = vma->balloon;
    if (!vma->shared) {
      // Behind the parent in each anon_vma, so that walks visit the parent
      // first: an entry that is copied while they walk is not missed.
      copy->anon_vma_chain = vma->anon_vma_chain;
      copy->anon_vma = std::make_shared<AnonVma>();
      copy->anon_vma_chain.push_back(copy->anon_vma);
    }
    copy->stable_nodes = vma->stable_nodes;
    for (const auto& node : copy->stable_nodes) {
      node->Fork(vma.get(), copy.get());
    }
    child.Map(std::move(copy));
    const Vma& parent = *vma;
    ForEachEntry(parent,
                 [&](uint64_t number) { CopyEntry(parent, number, child); });
  }
}

void AddressSpace::CopyEntry(const Vma& vma, uint64_t page_number,
                             AddressSpace& child) {
  LockedEntry from(page_table_, page_number);
  if (!from || from.Read().empty()) return;
  if (from.huge()) {
    // Nothing runs in the child yet, so its tables may be made without locks.
    child.page_table_.PmdOf(page_number).huge.store(Entry::kMigration);
  }
  LockedEntry to(child.page_table_, page_number, LockedEntry::kCreateMissing);
  Entry entry = from.ClearAndFlush();
  if (!vma.shared) entry = Entry(entry.bits() & ~Entry::kWrite);
  from.Set(entry);
  if (entry.Has(Entry::kSwap)) {
    // Every slot has one owner, so the child gets a copy.
    auto frame = std::make_unique<uint64_t[]>(core::kPageBytes / 8);
    uint8_t* const bytes = reinterpret_cast<uint8_t*>(frame.get());
    machine_.swap.ReadIn(entry.number(), bytes);
    from.Set(Entry::Swap(machine_.swap.WriteOut(bytes), 0));
    to.Set(Entry::Swap(machine_.swap.WriteOut(bytes), 0));
    return;
  }
  if (entry.maps_page()) {
    page_add_rmap(machine_.memory.PageOf(entry.pfn()));
  }
  to.Set(entry);
}

}  // namespace pageferry::model
