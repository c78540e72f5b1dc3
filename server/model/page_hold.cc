#include "server/model/page_hold.h"

#include <functional>
#include <utility>
#include <vector>

#include "server/model/balloon.h"
#include "server/model/buffers.h"
#include "server/model/look.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

// A hold that ends with one action.
class SimpleHold final : public PageHold {
 public:
  enum Ends {
    kAlways,
    // For holds without a reference: nothing is to be done when the page is
    // gone and its frame somebody else's.
    kWhileThere,
  };

  SimpleHold(PageFaultKind kind, Page& page, Ends ends,
             std::function<void()> release)
      : PageHold(kind, &page), ends_(ends), release_(std::move(release)) {}
  ~SimpleHold() override {
    if (ends_ == kAlways || this->page() != nullptr) release_();
  }

 private:
  const Ends ends_;
  const std::function<void()> release_;
};

std::unique_ptr<PageHold> ReleasedBy(PageFaultKind kind, Page& page,
                                     std::function<void()> release) {
  return std::make_unique<SimpleHold>(kind, page, SimpleHold::kAlways,
                                      std::move(release));
}

std::unique_ptr<PageHold> ReleasedWhileThere(PageFaultKind kind, Page& page,
                                             std::function<void()> release) {
  return std::make_unique<SimpleHold>(kind, page, SimpleHold::kWhileThere,
                                      std::move(release));
}

std::unique_ptr<PageHold> LockPage(Machine& machine, Page& page) {
  if (!WaitTable::TryLockPage(page)) return nullptr;
  return ReleasedWhileThere(PageFaultKind::kLock, page, [&machine, &page] {
    machine.waits.UnlockPage(page);
  });
}

std::unique_ptr<PageHold> Write(Machine& machine, Page& page) {
  if (page.TestAndSet(PageFlag::kWriteback)) return nullptr;
  return ReleasedWhileThere(PageFaultKind::kWriteback, page, [&machine, &page] {
    end_page_writeback(page, machine.waits);
  });
}

std::unique_ptr<PageHold> Pin(Machine& machine, Page& page) {
  page.Get();
  return ReleasedBy(PageFaultKind::kPin, page,
                    [&machine, &page] { machine.memory.Put(page); });
}

std::unique_ptr<PageHold> LockBuffer(Machine& machine, Page& page) {
  const std::shared_ptr<Buffers> buffers = page.buffers;
  if (buffers == nullptr || !buffers->TryLock(0)) return nullptr;
  return ReleasedBy(PageFaultKind::kBufferLock, page,
                    [buffers, &machine] { buffers->Unlock(0, machine.waits); });
}

// Requests are private data of a network file system's pages.
std::unique_ptr<PageHold> SendRequest(Machine& machine, Page& page) {
  const Mapping* const mapping = page_mapping(machine, page);
  if (mapping == nullptr ||
      mapping->operations().migrate != MigrateOperation::kNetwork ||
      page.TestAndSet(PageFlag::kPrivate)) {
    return nullptr;
  }
  page.Get();
  return ReleasedBy(PageFaultKind::kRequestInFlight, page, [&machine, &page] {
    page.Clear(PageFlag::kPrivate);
    machine.memory.Put(page);
  });
}

std::unique_ptr<PageHold> ClaimWrite(Page& page) {
  if (page.TestAndSet(PageFlag::kWriteClaimed)) return nullptr;
  return ReleasedWhileThere(PageFaultKind::kAnotherWriter, page, [&page] {
    page.Clear(PageFlag::kDirty);
    page.Clear(PageFlag::kWriteClaimed);
  });
}

std::unique_ptr<PageHold> Isolate(Page& page) {
  if (!page.TestAndClear(PageFlag::kLru)) return nullptr;
  return ReleasedWhileThere(PageFaultKind::kIsolate, page, [&page] {
    // A free frame has no flags; its next owner counts on that.
    if (page.references() > 0) page.Set(PageFlag::kLru);
  });
}

std::unique_ptr<PageHold> HoldBalloon(Page& page) {
  if (!page.Has(PageFlag::kBalloon)) return nullptr;
  const auto balloon = std::static_pointer_cast<Balloon>(page.mapping);
  balloon->HoldLock(true);
  return ReleasedBy(PageFaultKind::kBalloonLock, page,
                    [balloon] { balloon->HoldLock(false); });
}

std::unique_ptr<PageHold> Hint(AddressSpace& space, uint64_t page_number,
                               Page& page) {
  space.HideBehindNumaHint(page_number);
  return ReleasedBy(PageFaultKind::kNumaHint, page, [&space, page_number] {
    space.ClearNumaHint(page_number);
  });
}

// Drops the page from all page tables and from the page cache
// (truncate_inode_page). Private data that cannot be released keeps an orphan.
void Truncate(Machine& machine, Page& page) {
  Mapping* const mapping = page_mapping(machine, page);
  if (mapping == nullptr || page.Has(PageFlag::kSwapCache)) return;
  std::vector<std::pair<AddressSpace*, uint64_t>> places;
  rmap_walk(page, [&](Vma& vma, uint64_t page_number) {
    places.emplace_back(vma.space, page_number);
    return true;
  });
  for (const auto& [space, page_number] : places) space->Zap(page_number);
  const bool busy = (page.buffers != nullptr && page.buffers->AnyLocked()) ||
                    !mapping->operations().releases_private;
  if (page.Has(PageFlag::kPrivate) && !busy) {
    page.buffers.reset();
    page.Clear(PageFlag::kPrivate);
    machine.memory.Put(page);
  }
  const bool cached = mapping->Remove(page.index, page);
  page.mapping.reset();
  if (cached) machine.memory.Put(page);
}

// Another page takes the slot; whoever put it there still has a reference of
// the old one.
void ReplaceSlot(Machine& machine, Page& page) {
  Mapping* const mapping = page_mapping(machine, page);
  if (mapping == nullptr || page.Has(PageFlag::kSwapCache)) return;
  Page* const other = machine.memory.Allocate(page.node, 1);
  if (other == nullptr) return;
  if (mapping->Remove(page.index, page)) {
    CopyWords(other->frame, page.frame, core::kPageBytes);
    other->mapping = page.mapping;
    other->index = page.index;
    other->Set(PageFlag::kUptodate);
    other->Set(PageFlag::kLru);
    mapping->Insert(page.index, *other);
  }
  machine.memory.Put(*other);
}

Page* MappedPage(AddressSpace& space, uint64_t page_number) {
  Page* page = nullptr;
  LookAt(space, page_number, [&](const PageView& view) { page = view.page; });
  return page == nullptr ? nullptr : page->head.load();
}

}  // namespace

bool IsHold(PageFaultKind kind) {
  return kind != PageFaultKind::kUnmap && kind != PageFaultKind::kTruncate &&
         kind != PageFaultKind::kReplaceSlot;
}

std::unique_ptr<PageHold> PageHold::Create(PageFaultKind kind, Machine& machine,
                                           AddressSpace& space,
                                           uint64_t page_number, Page* page) {
  if (page == nullptr) page = MappedPage(space, page_number);
  if (page == nullptr) return nullptr;
  switch (kind) {
    case PageFaultKind::kLock:
      return LockPage(machine, *page);
    case PageFaultKind::kWriteback:
      return Write(machine, *page);
    case PageFaultKind::kPin:
      return Pin(machine, *page);
    case PageFaultKind::kBufferLock:
      return LockBuffer(machine, *page);
    case PageFaultKind::kRequestInFlight:
      return SendRequest(machine, *page);
    case PageFaultKind::kAnotherWriter:
      return ClaimWrite(*page);
    case PageFaultKind::kBalloonLock:
      return HoldBalloon(*page);
    case PageFaultKind::kIsolate:
      return Isolate(*page);
    case PageFaultKind::kNumaHint:
      return Hint(space, page_number, *page);
    case PageFaultKind::kUnmap:
    case PageFaultKind::kTruncate:
    case PageFaultKind::kReplaceSlot:
      break;
  }
  return nullptr;
}

void HappenTo(PageFaultKind kind, Machine& machine, AddressSpace& space,
              uint64_t page_number, Page& page) {
  if (kind == PageFaultKind::kUnmap) {
    space.Zap(page_number);
    return;
  }
  if (!WaitTable::TryLockPage(page)) return;
  if (kind == PageFaultKind::kTruncate) Truncate(machine, page);
  if (kind == PageFaultKind::kReplaceSlot) ReplaceSlot(machine, page);
  machine.waits.UnlockPage(page);
}

}  // namespace pageferry::model
