// Things that somebody else does to a page: keeps it busy, or changes it.

#ifndef PAGEFERRY_SERVER_MODEL_PAGE_HOLD_H_
#define PAGEFERRY_SERVER_MODEL_PAGE_HOLD_H_

#include <cstdint>
#include <memory>

#include "server/model/address_space.h"
#include "server/model/machine.h"
#include "server/model/page.h"

namespace pageferry::model {

enum class PageFaultKind : uint8_t {
  // Holds: they begin and end.
  kLock,             // the page lock is held
  kWriteback,        // the page is being written to storage
  kPin,              // somebody has a reference: direct I/O, RDMA
  kBufferLock,       // one of its buffers is locked by the block layer
  kRequestInFlight,  // a network file system is sending or receiving it
  kAnotherWriter,    // somebody else has begun to write a dirty page
  kBalloonLock,      // the balloon driver is busy
  kIsolate,          // somebody else has taken it off its list
  kNumaHint,         // hidden until the process touches it: at the end
  // Events: they happen once.
  kUnmap,        // the process drops the page (MADV_DONTNEED)
  kTruncate,     // the file is cut short, before this page
  kReplaceSlot,  // another page takes its slot in the page cache
};

// Whether faults of that kind begin and end.
bool IsHold(PageFaultKind kind);

// A hold on one page, from creation to destruction. Knows the page's frame, not
// its address: if the page should move meanwhile, the hold stays behind.
class PageHold {
 public:
  virtual ~PageHold() = default;
  PageHold(const PageHold&) = delete;
  PageHold& operator=(const PageHold&) = delete;

  PageFaultKind kind() const { return kind_; }

  // The page that is held, or null when its frame has another owner by now.
  // Thread-safe.
  Page* page() const {
    return page_.allocations.load() == allocation_ ? &page_ : nullptr;
  }

  // Null where the page is not of a kind that can be held so, or the hold is
  // somebody else's already. `page` is the page itself, or null to take what is
  // mapped at `page_number`.
  static std::unique_ptr<PageHold> Create(PageFaultKind kind, Machine& machine,
                                          AddressSpace& space,
                                          uint64_t page_number, Page* page);

 protected:
  PageHold(PageFaultKind kind, Page* page)
      : kind_(kind), page_(*page), allocation_(page->allocations.load()) {}

 private:
  const PageFaultKind kind_;
  Page& page_;
  const uint32_t allocation_;
};

// Makes an event happen to `page`, which the caller has a reference of and
// which is mapped at `page_number`, or was.
void HappenTo(PageFaultKind kind, Machine& machine, AddressSpace& space,
              uint64_t page_number, Page& page);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_PAGE_HOLD_H_
