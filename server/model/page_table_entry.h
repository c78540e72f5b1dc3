// The 64 bits of a page table entry.

#ifndef PAGEFERRY_SERVER_MODEL_PAGE_TABLE_ENTRY_H_
#define PAGEFERRY_SERVER_MODEL_PAGE_TABLE_ENTRY_H_

#include <cstdint>

#include "server/core/types.h"

namespace pageferry::model {

// A present entry maps a frame. One that is not present is empty, names a slot
// of swap, or is a migration entry: it names the page that is just being moved,
// and whoever runs into it waits until it is gone.
//
// Beside what x86-64 has, an entry counts the loads and stores that are under
// way through it. It stands for the translation lookaside buffer: a processor
// finishes an access with the translation that it began with, and an entry is
// only out of use once it was flushed everywhere. Here: once the count is zero.
// The processor's part (the count, young, dirty, soft-dirty) is done by
// compare-and-swap without a lock, the kernel's part under the table's lock.
class Entry {
 public:
  constexpr Entry() = default;
  explicit constexpr Entry(uint64_t bits) : bits_(bits) {}

  static constexpr uint64_t kPresent = 1u << 0;
  static constexpr uint64_t kWrite = 1u << 1;
  // Cleared where every access must fault: PROT_NONE and NUMA hints.
  static constexpr uint64_t kAccessible = 1u << 2;
  static constexpr uint64_t kYoung = 1u << 3;
  static constexpr uint64_t kDirty = 1u << 4;
  static constexpr uint64_t kSoftDirty = 1u << 5;
  static constexpr uint64_t kNumaHint = 1u << 6;
  // The page of zeroes that reads of untouched memory get.
  static constexpr uint64_t kZeroPage = 1u << 7;
  static constexpr uint64_t kSwap = 1u << 8;
  static constexpr uint64_t kMigration = 1u << 9;
  // Taken out of use by the kernel, and not yet replaced.
  static constexpr uint64_t kFlushing = 1u << 10;
  static constexpr int kNumberShift = 12;
  static constexpr uint64_t kNumberMask = (uint64_t{1} << 40) - 1;
  static constexpr int kAccessShift = 52;
  static constexpr uint64_t kOneAccess = uint64_t{1} << kAccessShift;
  static constexpr uint64_t kAccessMask = uint64_t{0x3FF} << kAccessShift;

  static constexpr Entry Present(core::PageFrameNumber pfn, uint64_t bits) {
    return Entry(kPresent | bits | pfn.value() << kNumberShift);
  }
  // make_migration_entry: keeps whether the page may be written and soft-dirty.
  static constexpr Entry Migration(core::PageFrameNumber pfn, uint64_t bits) {
    return Entry(kMigration | bits | pfn.value() << kNumberShift);
  }
  static constexpr Entry Swap(uint64_t slot, uint64_t bits) {
    return Entry(kSwap | bits | slot << kNumberShift);
  }

  constexpr uint64_t bits() const { return bits_; }
  constexpr bool Has(uint64_t bit) const { return (bits_ & bit) != 0; }
  constexpr bool empty() const { return bits_ == 0; }
  constexpr bool present() const { return Has(kPresent); }
  // Present and backed by a page structure.
  constexpr bool maps_page() const { return present() && !Has(kZeroPage); }
  constexpr uint64_t number() const {
    return bits_ >> kNumberShift & kNumberMask;
  }
  constexpr core::PageFrameNumber pfn() const {
    return core::PageFrameNumber(number());
  }
  constexpr bool in_access() const { return Has(kAccessMask); }

 private:
  uint64_t bits_ = 0;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_PAGE_TABLE_ENTRY_H_
