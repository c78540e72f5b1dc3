#include "server/kernel/damon_mover.h"

#include <algorithm>
#include <utility>

#include "server/kernel/cpuset.h"
#include "server/kernel/node_memory.h"

namespace pageferry::kernel {
namespace {

using core::Answer;
using core::NodeId;
using core::PageAttempt;
using core::StopReason;

// An extent takes two more files to write. With 4,096 pages in 187 extents an
// application took 0.40 of the time of the screened way, in 629 extents 0.89,
// in 1,757 extents 1.10, in 3,394 extents 1.41 (6.12.117, emulated, rounds of
// 5 ms, ratios within one run on a busy machine): a page in an extent of less
// than three is quicker screened.
constexpr uint64_t kMinimumExtentPages = 3;

// The kdamond looks at a page of every extent in each of its rounds, also when
// a killed daemon left it: with 256 extents and rounds of 5 ms that took a
// tenth of an emulated CPU. (What else there is of 4,096 pages is screened.)
constexpr size_t kMaximumExtents = 256;

// The frames of a folio, or of several that touch: [begin, end) of the pieces.
struct Piece {
  PhysicalExtent extent;
  size_t folio = 0;
};

struct Run {
  PhysicalExtent extent;
  size_t begin = 0;
  size_t end = 0;

  uint64_t end_frame() const { return extent.first.value() + extent.pages; }
};

// Ascending by frame.
std::vector<Piece> Pieces(absl::Span<const MovingPage> pages,
                          absl::Span<const MovingFolio> folios) {
  std::vector<Piece> pieces;
  for (size_t i = 0; i < folios.size(); ++i) {
    const absl::optional<FolioState>& state = pages[folios[i].first].view.folio;
    const bool whole = folios[i].count == folios[i].pages;
    if (!whole || !state.has_value() || state->flags.hugetlb()) continue;
    pieces.push_back({{state->head, state->pages}, i});
  }
  std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) {
    return a.extent.first < b.extent.first;
  });
  return pieces;
}

std::vector<Run> Join(absl::Span<const Piece> pieces) {
  std::vector<Run> runs;
  for (size_t i = 0; i < pieces.size(); ++i) {
    const PhysicalExtent& extent = pieces[i].extent;
    const uint64_t first = extent.first.value();
    if (runs.empty() || runs.back().end_frame() < first) {
      runs.push_back({extent, i, i + 1});
      continue;
    }
    // A folio that is mapped at two addresses comes twice.
    const bool next = runs.back().end_frame() == first;
    runs.back().extent.pages += next ? extent.pages : 0;
    runs.back().end = i + 1;
  }
  return runs;
}

// Leaves the largest, ascending by frame.
void KeepWhatIsWorthIt(std::vector<Run>* runs) {
  std::sort(runs->begin(), runs->end(), [](const Run& a, const Run& b) {
    return a.extent.pages > b.extent.pages;
  });
  const auto small = std::find_if(
      runs->begin(), runs->end(),
      [](const Run& run) { return run.extent.pages < kMinimumExtentPages; });
  runs->erase(small, runs->end());
  if (runs->size() > kMaximumExtents) runs->resize(kMaximumExtents);
  std::sort(runs->begin(), runs->end(), [](const Run& a, const Run& b) {
    return a.extent.first < b.extent.first;
  });
}

}  // namespace

ExtentPlan PlanExtents(absl::Span<const MovingPage> pages,
                       absl::Span<const MovingFolio> folios) {
  const std::vector<Piece> pieces = Pieces(pages, folios);
  std::vector<Run> runs = Join(pieces);
  KeepWhatIsWorthIt(&runs);
  ExtentPlan plan;
  for (const Run& run : runs) {
    plan.extents.push_back(run.extent);
    for (size_t i = run.begin; i < run.end; ++i) {
      plan.folios.push_back(pieces[i].folio);
    }
  }
  return plan;
}

DamonMover::DamonMover(SystemCalls* system, std::string proc_root, Damon* damon,
                       const ProcessIdentity* process, PageLooker* looker,
                       const core::MoveParameters& parameters,
                       core::Telemetry* telemetry)
    : system_(system),
      proc_root_(std::move(proc_root)),
      damon_(damon),
      process_(process),
      looker_(looker),
      parameters_(parameters),
      telemetry_(telemetry) {}

StopReason DamonMover::Move(NodeId destination, absl::Span<MovingPage> pages,
                            absl::Span<const MovingFolio> folios,
                            const core::MigrationControl& control) {
  const ExtentPlan plan = PlanExtents(pages, folios);
  if (plan.extents.empty() || control.stop() != StopReason::kNone ||
      !MayGoTo(destination, TotalPages(plan.extents))) {
    return StopReason::kNone;
  }
  chosen_.clear();
  for (size_t folio : plan.folios) {
    for (size_t i = 0; i < folios[folio].count; ++i) {
      chosen_.push_back(folios[folio].first + i);
    }
  }
  // Ascending by address again: pagemap is read in runs.
  std::sort(chosen_.begin(), chosen_.end());
  addresses_.clear();
  for (size_t i : chosen_) {
    addresses_.push_back(pages[i].attempt->address.value());
  }
  views_.resize(addresses_.size());
  core::Clock& clock = control.clock();
  absl::Duration start;
  const absl::Status applied = damon_->Move(
      destination, plan.extents,
      [&] {
        start = clock.Monotonic();
        return MayGoTo(destination, TotalPages(plan.extents)) &&
               Unchanged(pages);
      },
      control);
  if (!applied.ok()) return StopReason::kNone;
  const absl::Duration length = clock.Monotonic() - start;
  ++statistics_.kernel_calls;
  statistics_.longest_kernel_call =
      std::max(statistics_.longest_kernel_call, length);
  telemetry_->OnKernelCall(parameters_.mode, length);
  return Verify(destination, pages);
}

bool DamonMover::MayGoTo(NodeId destination, uint64_t pages) {
  // DAMON looks at no cpuset, and on a full node it takes another one.
  const absl::StatusOr<std::vector<NodeId>> allowed =
      ReadAllowedNodes(*system_, proc_root_, absl::StrCat(process_->id().pid));
  if (!allowed.ok() ||
      !std::binary_search(allowed->begin(), allowed->end(), destination)) {
    return false;
  }
  const absl::StatusOr<NodeRoom> room =
      ReadNodeRoom(*system_, proc_root_, destination);
  return room.ok() && room->room_pages() >= pages;
}

bool DamonMover::Unchanged(absl::Span<const MovingPage> pages) {
  if (!looker_->Look(addresses_, absl::MakeSpan(views_)).ok()) return false;
  for (size_t i = 0; i < chosen_.size(); ++i) {
    const PageView& before = pages[chosen_[i]].view;
    const PageView& now = views_[i];
    if (now.node != before.node || !now.folio.has_value() ||
        now.entry.frame() != before.entry.frame() ||
        now.folio->head != before.folio->head ||
        now.folio->pages != before.folio->pages ||
        (now.shared() && !parameters_.move_shared)) {
      return false;
    }
  }
  return true;
}

StopReason DamonMover::Verify(NodeId destination,
                              absl::Span<MovingPage> pages) {
  const absl::Status looked = looker_->Look(addresses_, absl::MakeSpan(views_));
  for (size_t i = 0; i < chosen_.size(); ++i) {
    PageAttempt& attempt = *pages[chosen_[i]].attempt;
    attempt.node = looked.ok() ? views_[i].node : NodeId::Unknown();
    if (!looked.ok() || views_[i].node != destination) continue;
    attempt.answer = Answer::kMoved;
    ++statistics_.kernel_fidelity_pages;
  }
  if (absl::IsNotFound(looked)) return StopReason::kProcessExited;
  return absl::IsPermissionDenied(looked) ? StopReason::kPermissionLost
                                          : StopReason::kNone;
}

}  // namespace pageferry::kernel
