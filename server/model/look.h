// What is at a virtual page of a process, without touching it.

#ifndef PAGEFERRY_SERVER_MODEL_LOOK_H_
#define PAGEFERRY_SERVER_MODEL_LOOK_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "server/core/backend.h"
#include "server/core/topology.h"
#include "server/core/types.h"
#include "server/model/address_space.h"
#include "server/model/page.h"

namespace pageferry::model {

// What a look at one virtual page saw.
struct PageView {
  // The page, within a huge page the one at this address; null where there is
  // none.
  Page* page = nullptr;
  // Why there is no page, or why its place is hidden; kNone otherwise.
  core::Reason reason = core::Reason::kNone;
  // The entry says that the page is just being moved.
  bool migrating = false;
  // In more than one page table entry.
  bool shared = false;
  uint32_t folio_pages = 0;
  // Present, but every access faults because of a NUMA hint.
  bool numa_hinted = false;
  bool soft_dirty = false;
  bool young = false;
  bool dirty = false;

  bool hidden() const {
    return page != nullptr && reason != core::Reason::kNone;
  }
};

// Calls `visit` with what is there. While the call lasts the page stays where
// it is, mapped as it is. `visit` must not block. Thread-safe.
void LookAt(AddressSpace& space, uint64_t page_number,
            absl::FunctionRef<void(const PageView&)> visit);

// The same as a location, for one page.
core::LocatedRun LocatePage(AddressSpace& space, uint64_t page_number);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_LOOK_H_
