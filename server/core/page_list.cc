#include "server/core/page_list.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <tuple>
#include <utility>

namespace pageferry::core {
namespace {

uint64_t FirstPage(const PlacedRun& placed) {
  return placed.run.start.page_number();
}

// One past the last page, as a page number: does not wrap at the end of the
// address space.
uint64_t EndPage(const PlacedRun& placed) {
  return FirstPage(placed) + placed.run.pages;
}

// Appends `run`, as part of the last one where it continues it.
void Append(const PlacedRun& run, std::vector<PlacedRun>* runs) {
  if (!runs->empty() && EndPage(runs->back()) == FirstPage(run) &&
      runs->back().entry == run.entry) {
    runs->back().run.pages += run.run.pages;
  } else {
    runs->push_back(run);
  }
}

// A place where runs begin or end, as a page number.
struct Boundary {
  uint64_t page = 0;
  bool begins = false;
  const PlacedRun* run = nullptr;
};

// Makes runs disjoint by a sweep over their boundaries: every page belongs to
// the first entry that names it. Empty, with `*conflict` set, when two runs
// that share a page disagree about its placement.
std::vector<PlacedRun> Sweep(const std::vector<PlacedRun>& runs,
                             absl::optional<PlacementConflict>* conflict) {
  std::vector<Boundary> boundaries;
  for (const PlacedRun& run : runs) {
    boundaries.push_back({FirstPage(run), true, &run});
    boundaries.push_back({EndPage(run), false, &run});
  }
  std::sort(boundaries.begin(), boundaries.end(),
            [](const Boundary& a, const Boundary& b) {
              return std::tie(a.page, a.begins) < std::tie(b.page, b.begins);
            });
  std::multimap<uint32_t, const PlacedRun*> active;     // by entry
  std::multimap<uint32_t, uint32_t> active_placements;  // to entries
  std::vector<PlacedRun> disjoint;
  uint64_t from = 0;
  for (const Boundary& boundary : boundaries) {
    if (!active.empty() && from < boundary.page) {
      PlacedRun part = *active.begin()->second;
      part.run = {VirtualAddress::OfPage(from), boundary.page - from};
      Append(part, &disjoint);
    }
    from = boundary.page;
    const uint32_t entry = boundary.run->entry;
    const uint32_t placement = boundary.run->placement;
    if (boundary.begins) {
      active.emplace(entry, boundary.run);
      active_placements.emplace(placement, entry);
    } else {
      active.erase(active.find(entry));
      active_placements.erase(active_placements.find(placement));
    }
    if (!active_placements.empty() &&
        active_placements.begin()->first != active_placements.rbegin()->first) {
      const uint32_t one = active_placements.begin()->second;
      const uint32_t other = active_placements.rbegin()->second;
      *conflict = PlacementConflict{VirtualAddress::OfPage(from),
                                    std::min(one, other), std::max(one, other)};
      return {};
    }
  }
  return disjoint;
}

std::vector<PlacedRun> MakeDisjoint(
    std::vector<PlacedRun> runs, absl::optional<PlacementConflict>* conflict) {
  std::sort(runs.begin(), runs.end(),
            [](const PlacedRun& a, const PlacedRun& b) {
              return a.run.start < b.run.start;
            });
  std::vector<PlacedRun> disjoint;
  for (const PlacedRun& run : runs) {
    if (!disjoint.empty() && FirstPage(run) < EndPage(disjoint.back())) {
      return Sweep(runs, conflict);
    }
    Append(run, &disjoint);
  }
  return disjoint;
}

}  // namespace

void PageList::Builder::StartEntry(Placement placement) {
  const auto [known, is_new] = placement_indices_.try_emplace(
      placement.nodes, static_cast<uint32_t>(placements_.size()));
  placement_of_entry_.push_back(known->second);
  if (is_new) placements_.push_back(std::move(placement));
}

void PageList::Builder::AddRange(VirtualAddress start, uint64_t pages) {
  runs_.push_back(
      PlacedRun{PageRun{start.PageStart(), pages}, placement_of_entry_.back(),
                static_cast<uint32_t>(placement_of_entry_.size() - 1)});
}

PageList PageList::Builder::Build(
    absl::optional<PlacementConflict>* conflict) && {
  PageList list;
  conflict->reset();
  list.runs_ = MakeDisjoint(std::move(runs_), conflict);
  if (conflict->has_value()) return list;
  list.placements_ = std::move(placements_);
  for (const PlacedRun& placed : list.runs_) {
    list.page_count_ += placed.run.pages;
  }
  std::stable_sort(list.runs_.begin(), list.runs_.end(),
                   [](const PlacedRun& a, const PlacedRun& b) {
                     return a.placement < b.placement;
                   });
  list.by_address_.resize(list.runs_.size());
  std::iota(list.by_address_.begin(), list.by_address_.end(), 0);
  if (list.placements_.size() > 1) {
    std::sort(list.by_address_.begin(), list.by_address_.end(),
              [&list](uint32_t a, uint32_t b) {
                return list.runs_[a].run.start < list.runs_[b].run.start;
              });
  }
  return list;
}

// Calls visit(run, pages of it in range) for each run that meets `range`.
template <typename Visit>
void PageList::VisitWithin(PageRun range, Visit visit) const {
  const uint64_t first = range.start.page_number();
  const uint64_t end = first + range.pages;
  auto it = std::partition_point(
      by_address_.begin(), by_address_.end(),
      [&](uint32_t index) { return EndPage(runs_[index]) <= first; });
  for (; it != by_address_.end() && FirstPage(runs_[*it]) < end; ++it) {
    const PlacedRun& placed = runs_[*it];
    visit(placed,
          std::min(EndPage(placed), end) - std::max(FirstPage(placed), first));
  }
}

uint64_t PageList::PagesWithin(PageRun range) const {
  uint64_t total = 0;
  VisitWithin(range,
              [&total](const PlacedRun&, uint64_t pages) { total += pages; });
  return total;
}

absl::optional<uint32_t> PageList::PlacementOfFolio(PageRun range) const {
  absl::optional<uint32_t> placement;
  uint32_t entry = 0;
  VisitWithin(range, [&](const PlacedRun& placed, uint64_t) {
    if (!placement.has_value() || placed.entry < entry) {
      placement = placed.placement;
      entry = placed.entry;
    }
  });
  return placement;
}

}  // namespace pageferry::core
