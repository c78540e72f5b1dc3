// The pages of a migration and where each is to go.
//
// A request names pages in any order, more than once, in several batches. A
// PageList is the same with every page once: runs of pages, ordered by
// placement and then by address, which is the order in which a pass takes them.

#ifndef PAGEFERRY_SERVER_CORE_PAGE_LIST_H_
#define PAGEFERRY_SERVER_CORE_PAGE_LIST_H_

#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/types.h"

namespace pageferry::core {

// Where pages are to go: nodes in the order in which they are tried. The first
// is the destination, the others are its fallback nodes.
struct Placement {
  std::vector<NodeId> nodes;

  friend bool operator==(const Placement&, const Placement&) = default;
};

// Pages of one placement.
struct PlacedRun {
  PageRun run;
  uint32_t placement = 0;  // index into PageList::placements()
  uint32_t entry = 0;      // the first batch of the request that names them
};

// Two batches ask for the same page and disagree about its placement.
struct PlacementConflict {
  VirtualAddress address;
  uint32_t first_entry = 0;
  uint32_t second_entry = 0;
};

// Immutable after Build(); then safe to read from any thread.
class PageList {
 public:
  // Collects what a request names. Not thread-safe.
  class Builder {
   public:
    // Begins the next batch of the request. Batches are counted from 0.
    void StartEntry(Placement placement);

    // Adds pages to the batch begun last. Rounds to pages: every page that
    // holds one of the addresses. `pages` must be positive and must not pass
    // the end of the address space.
    void AddRange(VirtualAddress start, uint64_t pages);
    void AddAddress(VirtualAddress address) { AddRange(address, 1); }

    // Sorts, and collapses duplicates. When batches conflict, returns an empty
    // list and sets `*conflict` to the lowest address in dispute. O(n log n).
    PageList Build(absl::optional<PlacementConflict>* conflict) &&;

   private:
    std::vector<Placement> placements_;
    std::map<std::vector<NodeId>, uint32_t> placement_indices_;
    std::vector<uint32_t> placement_of_entry_;
    std::vector<PlacedRun> runs_;
  };

  const std::vector<Placement>& placements() const { return placements_; }

  // Ordered by placement, then address; disjoint; neighbours of one placement
  // and entry are merged.
  const std::vector<PlacedRun>& runs() const { return runs_; }

  uint64_t page_count() const { return page_count_; }

  // Of the pages in `range`: how many are in the list.
  uint64_t PagesWithin(PageRun range) const;

  // The placement that the first batch asks for which names a page in `range`:
  // where a folio goes whose pages are asked to several destinations. Empty
  // when no page in `range` is in the list.
  absl::optional<uint32_t> PlacementOfFolio(PageRun range) const;

 private:
  template <typename Visit>
  void VisitWithin(PageRun range, Visit visit) const;

  std::vector<Placement> placements_;
  std::vector<PlacedRun> runs_;
  std::vector<uint32_t> by_address_;  // indices into runs_
  uint64_t page_count_ = 0;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_PAGE_LIST_H_
