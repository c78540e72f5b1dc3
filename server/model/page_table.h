// A process's page table.

#ifndef PAGEFERRY_SERVER_MODEL_PAGE_TABLE_H_
#define PAGEFERRY_SERVER_MODEL_PAGE_TABLE_H_

#include <array>
#include <atomic>
#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "server/core/mutex.h"
#include "server/model/page_table_entry.h"

namespace pageferry::model {

// The lowest table: entries of 512 base pages.
struct PteTable {
  std::array<std::atomic<uint64_t>, 512> entries{};
};

// An entry of the level above: 2 MiB of address space, mapped as one huge page
// or by a PteTable of base pages. `lock` is for all changes by the kernel, in
// either (the kernel's split page table lock).
struct Pmd {
  core::Mutex lock;
  // Not empty: a huge page is or was mapped here, and this entry counts.
  std::atomic<uint64_t> huge{0};
  std::atomic<PteTable*> table{nullptr};

  ~Pmd() { delete table.load(); }
};

// Where one virtual page's entry is.
struct EntrySlot {
  Pmd* pmd = nullptr;
  std::atomic<uint64_t>* entry = nullptr;
  bool huge = false;

  explicit operator bool() const { return entry != nullptr; }
  Entry Read() const { return Entry(entry->load(std::memory_order_acquire)); }
};

// Four levels of 512 entries, as x86-64 has for 48 bits of address. Tables are
// never freed before the page table is, so that walks need no lock.
// Thread-safe.
class PageTable {
 public:
  // Virtual pages that can have an entry: numbers below this.
  static constexpr uint64_t kPages = uint64_t{1} << 35;

  PageTable() = default;
  ~PageTable();
  PageTable(const PageTable&) = delete;
  PageTable& operator=(const PageTable&) = delete;

  // The slot of a virtual page; none where nothing was ever mapped near it.
  EntrySlot Find(uint64_t page_number) const;

  // The same, with the tables made that are missing.
  EntrySlot FindOrCreate(uint64_t page_number);

  // The Pmd of a virtual page, made when missing.
  Pmd& PmdOf(uint64_t page_number);

 private:
  using PmdTable = std::array<Pmd, 512>;
  template <typename Child>
  using Directory = std::array<std::atomic<Child*>, 512>;
  using PudTable = Directory<PmdTable>;

  Pmd* FindPmd(uint64_t page_number) const;

  Directory<PudTable> root_{};
};

// One virtual page's entry under its lock, for changes by the kernel. Empty
// where no table is, and none was to be made. Taking it blocks.
class LockedEntry {
 public:
  enum Missing { kLeaveMissing, kCreateMissing };

  LockedEntry(PageTable& table, uint64_t page_number,
              Missing missing = kLeaveMissing) ABSL_NO_THREAD_SAFETY_ANALYSIS;
  ~LockedEntry() ABSL_NO_THREAD_SAFETY_ANALYSIS;
  LockedEntry(const LockedEntry&) = delete;
  LockedEntry& operator=(const LockedEntry&) = delete;

  explicit operator bool() const { return static_cast<bool>(slot_); }
  bool huge() const { return slot_.huge; }
  Entry Read() const { return slot_.Read(); }

  // What those wait for who wait until the entry changes.
  const void* key() const { return slot_.entry; }

  // Takes the entry out of use, waits until no access is under way through it,
  // and returns what it was then. Set() must follow at once; until then
  // accesses wait. (ptep_clear_flush)
  Entry ClearAndFlush();

  // Replaces an entry that is flushed or not present. Those who may wait for
  // it are the caller's to wake.
  void Set(Entry entry);

  // Changes bits of a present entry while accesses go on through it. Not for
  // taking rights away.
  void Update(uint64_t clear_bits, uint64_t set_bits);

 private:
  EntrySlot slot_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_PAGE_TABLE_H_
