// The page structure of the model: what Linux's `struct page` keeps of one
// page frame, as far as migration looks at it.

#ifndef PAGEFERRY_SERVER_MODEL_PAGE_H_
#define PAGEFERRY_SERVER_MODEL_PAGE_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "server/core/types.h"
#include "server/model/reverse_map.h"

namespace pageferry::model {

class Buffers;

// Linux's PG_ flags, under its names, and those page kinds for which Linux
// abuses other fields (anonymous, KSM, balloon, hugetlb).
enum class PageFlag : uint32_t {
  kLocked = 1u << 0,
  kReferenced = 1u << 1,
  kUptodate = 1u << 2,
  kDirty = 1u << 3,
  kLru = 1u << 4,
  kActive = 1u << 5,
  kWriteback = 1u << 6,
  kAnon = 1u << 7,
  kSwapBacked = 1u << 8,
  kSwapCache = 1u << 9,
  // Has private data of its file system: buffers, or a request of a network
  // file system. Holds one reference.
  kPrivate = 1u << 10,
  kMlocked = 1u << 11,
  kUnevictable = 1u << 12,
  kKsm = 1u << 13,
  kBalloon = 1u << 14,
  // Heads of 512 frames that are one page.
  kHugetlb = 1u << 15,
  kThp = 1u << 16,
  // Taken off its list by somebody who is going to migrate it.
  kIsolated = 1u << 17,
  // Another writer has taken it on and will clear kDirty.
  kWriteClaimed = 1u << 18,
};

// One page frame. The flags and counts may be changed by any thread. `mapping`,
// `index`, `swap_slot` and `buffers` belong to whoever holds kLocked, or to the
// only holder of a reference. For huge pages all of it is in the head.
struct Page {
  bool Has(PageFlag flag) const {
    return (flags.load(std::memory_order_acquire) & Bits(flag)) != 0;
  }
  void Set(PageFlag flag) { TestAndSet(flag); }
  void Clear(PageFlag flag) { TestAndClear(flag); }
  // Return whether the flag was set before.
  bool TestAndSet(PageFlag flag) {
    return (flags.fetch_or(Bits(flag), std::memory_order_acq_rel) &
            Bits(flag)) != 0;
  }
  bool TestAndClear(PageFlag flag) {
    return (flags.fetch_and(~Bits(flag), std::memory_order_acq_rel) &
            Bits(flag)) != 0;
  }

  bool mapped() const { return map_count.load(std::memory_order_acquire) > 0; }
  int32_t references() const {
    return reference_count.load(std::memory_order_acquire);
  }
  bool huge() const { return Has(PageFlag::kHugetlb) || Has(PageFlag::kThp); }
  // Base pages that move with this head.
  uint32_t folio_pages() const { return huge() ? core::kHugePagePages : 1; }
  uint64_t folio_bytes() const { return folio_pages() * core::kPageBytes; }

  // Takes a reference; somebody must hold one already.
  void Get() { reference_count.fetch_add(1, std::memory_order_relaxed); }

  // Takes all `expected` references away at once, so that nobody can take one
  // meanwhile (page_freeze_refs). False, and nothing done, when there are more
  // or fewer.
  bool FreezeReferences(int32_t expected) {
    return reference_count.compare_exchange_strong(expected, 0,
                                                   std::memory_order_acq_rel);
  }
  void UnfreezeReferences(int32_t count) {
    reference_count.store(count, std::memory_order_release);
  }

  std::atomic<uint32_t> flags{0};
  // 0: the frame is free, or frozen.
  std::atomic<int32_t> reference_count{0};
  // How often the frame was allocated: tells a page from its frame's next one.
  std::atomic<uint32_t> allocations{0};
  // Page table entries that map it.
  std::atomic<int32_t> map_count{0};
  // Where its mappings are found; null for pages that were truncated.
  std::shared_ptr<ReverseMap> mapping;
  // Place in its mapping, in base pages.
  uint64_t index = 0;
  uint64_t swap_slot = 0;
  std::shared_ptr<Buffers> buffers;

  // Set once, by the arena.
  core::PageFrameNumber pfn;
  core::NodeId node;
  // The memory itself: core::kPageBytes, and for a huge page's head those of
  // the whole page.
  uint8_t* frame = nullptr;
  // This frame's head while it is part of a huge page, else itself.
  std::atomic<Page*> head{this};

 private:
  static constexpr uint32_t Bits(PageFlag flag) {
    return static_cast<uint32_t>(flag);
  }
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_PAGE_H_
