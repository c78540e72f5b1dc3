#include "server/model/page_table.h"

#include <memory>
#include <thread>

namespace pageferry::model {
namespace {

// The table that `slot` points to, made when missing. Of two threads that make
// one at the same time, one wins and both use its table.
template <typename Table>
Table* GetOrCreate(std::atomic<Table*>& slot) {
  Table* table = slot.load(std::memory_order_acquire);
  if (table != nullptr) return table;
  auto created = std::make_unique<Table>();
  if (slot.compare_exchange_strong(table, created.get(),
                                   std::memory_order_acq_rel)) {
    return created.release();
  }
  return table;
}

size_t RootIndex(uint64_t page_number) { return page_number >> 27 & 511; }
size_t PudIndex(uint64_t page_number) { return page_number >> 18 & 511; }
size_t PmdIndex(uint64_t page_number) { return page_number >> 9 & 511; }
size_t PteIndex(uint64_t page_number) { return page_number & 511; }

}  // namespace

PageTable::~PageTable() {
  for (std::atomic<PudTable*>& pud : root_) {
    if (pud.load() == nullptr) continue;
    for (std::atomic<PmdTable*>& pmd : *pud.load()) delete pmd.load();
    delete pud.load();
  }
}

Pmd* PageTable::FindPmd(uint64_t page_number) const {
  const PudTable* const pud =
      root_[RootIndex(page_number)].load(std::memory_order_acquire);
  if (pud == nullptr) return nullptr;
  PmdTable* const pmd =
      (*pud)[PudIndex(page_number)].load(std::memory_order_acquire);
  return pmd == nullptr ? nullptr : &(*pmd)[PmdIndex(page_number)];
}

Pmd& PageTable::PmdOf(uint64_t page_number) {
  PudTable* const pud = GetOrCreate(root_[RootIndex(page_number)]);
  PmdTable* const pmd = GetOrCreate((*pud)[PudIndex(page_number)]);
  return (*pmd)[PmdIndex(page_number)];
}

EntrySlot PageTable::Find(uint64_t page_number) const {
  Pmd* const pmd = FindPmd(page_number);
  if (pmd == nullptr) return EntrySlot();
  // A huge entry is emptied only after the table below it was filled, so this
  // order of looks never misses a mapping.
  if (pmd->huge.load(std::memory_order_acquire) != 0) {
    return EntrySlot{pmd, &pmd->huge, true};
  }
  PteTable* const table = pmd->table.load(std::memory_order_acquire);
  if (table == nullptr) return EntrySlot();
  return EntrySlot{pmd, &table->entries[PteIndex(page_number)], false};
}

EntrySlot PageTable::FindOrCreate(uint64_t page_number) {
  Pmd& pmd = PmdOf(page_number);
  if (pmd.huge.load(std::memory_order_acquire) != 0) {
    return EntrySlot{&pmd, &pmd.huge, true};
  }
  PteTable* const table = GetOrCreate(pmd.table);
  return EntrySlot{&pmd, &table->entries[PteIndex(page_number)], false};
}

LockedEntry::LockedEntry(PageTable& table, uint64_t page_number,
                         Missing missing) {
  const EntrySlot found = missing == kCreateMissing
                              ? table.FindOrCreate(page_number)
                              : table.Find(page_number);
  if (!found) return;
  found.pmd->lock.Lock();
  // Whether the page is huge may have changed before the lock was ours.
  slot_ = table.Find(page_number);
  if (!slot_) found.pmd->lock.Unlock();
}

LockedEntry::~LockedEntry() {
  if (slot_) slot_.pmd->lock.Unlock();
}

Entry LockedEntry::ClearAndFlush() {
  std::atomic<uint64_t>& entry = *slot_.entry;
  uint64_t bits = entry.load(std::memory_order_relaxed);
  while (!entry.compare_exchange_weak(
      bits, (bits & ~Entry::kPresent) | Entry::kFlushing,
      std::memory_order_acq_rel)) {
  }
  const uint64_t was_present = bits & Entry::kPresent;
  while (Entry(bits = entry.load(std::memory_order_acquire)).in_access()) {
    std::this_thread::yield();
  }
  return Entry((bits & ~Entry::kFlushing) | was_present);
}

void LockedEntry::Set(Entry entry) {
  slot_.entry->store(entry.bits(), std::memory_order_release);
}

void LockedEntry::Update(uint64_t clear_bits, uint64_t set_bits) {
  uint64_t bits = slot_.entry->load(std::memory_order_relaxed);
  while (!slot_.entry->compare_exchange_weak(
      bits, (bits & ~clear_bits) | set_bits, std::memory_order_acq_rel)) {
  }
}

}  // namespace pageferry::model
