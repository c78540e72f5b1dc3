#include "server/model/look.h"

#include <utility>

#include "server/model/balloon.h"
#include "server/model/page_table.h"

namespace pageferry::model {
namespace {

using core::PageState;
using core::Reason;

// Describes the page to which an entry points, or why it points to none.
PageView ViewEntry(const Machine& machine, Entry entry, bool huge,
                   uint64_t page_number) {
  PageView view;
  if (entry.empty()) {
    view.reason = Reason::kNotPresent;
  } else if (entry.Has(Entry::kZeroPage)) {
    view.reason = Reason::kZeroPage;
  } else if (!entry.present()) {
    // /proc/PID/pagemap calls a migration entry swapped, too.
    view.reason = Reason::kSwappedOut;
    view.migrating = entry.Has(Entry::kMigration);
  }
  if (view.reason != Reason::kNone) return view;
  Page& head = machine.memory.PageOf(entry.pfn());
  view.page = huge ? &head + page_number % core::kHugePagePages : &head;
  view.shared = head.map_count.load() > 1;
  view.folio_pages = head.folio_pages();
  view.numa_hinted = entry.Has(Entry::kNumaHint);
  view.soft_dirty = entry.Has(Entry::kSoftDirty);
  view.young = entry.Has(Entry::kYoung);
  view.dirty = entry.Has(Entry::kDirty);
  if (machine.traits.hides_numa_hints && !entry.Has(Entry::kAccessible)) {
    view.reason = view.numa_hinted ? Reason::kNumaHint : Reason::kUnsupported;
  }
  return view;
}

core::PageStateSet StatesOf(const PageView& view) {
  core::PageStateSet states;
  if (view.reason == Reason::kZeroPage) states.Add(PageState::kZeroPage);
  if (view.page == nullptr) return states;
  const Page& head = *view.page->head.load(std::memory_order_acquire);
  const bool dirty = view.dirty || head.Has(PageFlag::kDirty);
  const std::pair<bool, PageState> all[] = {
      {head.Has(PageFlag::kAnon), PageState::kAnonymous},
      {!head.Has(PageFlag::kAnon) && !head.Has(PageFlag::kBalloon),
       PageState::kFile},
      {view.shared, PageState::kShared},
      {dirty, PageState::kDirty},
      {head.Has(PageFlag::kWriteback), PageState::kWriteback},
      {head.Has(PageFlag::kLocked), PageState::kLocked},
      {head.Has(PageFlag::kMlocked), PageState::kMlocked},
      {head.Has(PageFlag::kKsm), PageState::kKsm},
      {head.Has(PageFlag::kThp), PageState::kThp},
      {head.Has(PageFlag::kHugetlb), PageState::kHugetlb},
      {head.Has(PageFlag::kSwapCache), PageState::kSwapCache},
      {view.numa_hinted, PageState::kNumaHint},
      {view.soft_dirty, PageState::kSoftDirty},
      {view.young || head.Has(PageFlag::kReferenced), PageState::kReferenced},
      {head.Has(PageFlag::kActive), PageState::kActive},
      {head.Has(PageFlag::kUnevictable), PageState::kUnevictable},
  };
  for (const auto& [holds, state] : all) {
    if (holds) states.Add(state);
  }
  return states;
}

PageView ViewWithoutEntry(const Vma* vma, uint64_t page_number) {
  PageView view;
  if (core::VirtualAddress::OfPage(page_number) >= core::kEndOfUserAddresses) {
    view.reason = Reason::kInvalid;
  } else if (vma == nullptr) {
    view.reason = Reason::kNotMapped;
  } else if (vma->kind == VmaKind::kDevice) {
    view.reason = Reason::kNotMovable;
  } else if (vma->kind == VmaKind::kBalloon) {
    view.page = vma->balloon->PageAt(vma->IndexOf(page_number));
    view.folio_pages = 1;
    if (view.page == nullptr) view.reason = Reason::kNotPresent;
  } else {
    view.reason = Reason::kNotPresent;
  }
  return view;
}

}  // namespace

void LookAt(AddressSpace& space, uint64_t page_number,
            absl::FunctionRef<void(const PageView&)> visit) {
  space.WithVma(page_number, [&](Vma* vma) {
    if (vma == nullptr || vma->kind == VmaKind::kDevice ||
        vma->kind == VmaKind::kBalloon) {
      visit(ViewWithoutEntry(vma, page_number));
      return;
    }
    const LockedEntry entry(space.page_table(), page_number);
    visit(entry ? ViewEntry(space.machine(), entry.Read(), entry.huge(),
                            page_number)
                : ViewWithoutEntry(vma, page_number));
  });
}

core::LocatedRun LocatePage(AddressSpace& space, uint64_t page_number) {
  core::LocatedRun located;
  located.run = {core::VirtualAddress::OfPage(page_number), 1};
  LookAt(space, page_number, [&](const PageView& view) {
    located.resident = view.page != nullptr;
    if (view.page != nullptr && !view.hidden()) located.node = view.page->node;
    located.reason = view.reason;
    located.folio_pages = view.folio_pages;
    located.states = StatesOf(view);
  });
  return located;
}

}  // namespace pageferry::model
