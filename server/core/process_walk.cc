#include "server/core/process_walk.h"

#include <algorithm>
#include <utility>

namespace pageferry::core {
namespace {

void SortOut(std::vector<NodeId>* nodes) {
  std::sort(nodes->begin(), nodes->end());
  nodes->erase(std::unique(nodes->begin(), nodes->end()), nodes->end());
}

PageList Build(PageList::Builder builder) {
  absl::optional<PlacementConflict> conflict;
  return std::move(builder).Build(&conflict);
}

}  // namespace

std::vector<NodePair> PairNodes(std::vector<NodeId> sources,
                                std::vector<NodeId> destinations,
                                absl::Span<const NodeId> fallback_nodes) {
  SortOut(&sources);
  SortOut(&destinations);
  std::vector<NodePair> pairs;
  for (size_t i = 0; i < sources.size(); ++i) {
    if (std::binary_search(destinations.begin(), destinations.end(),
                           sources[i])) {
      continue;
    }
    NodePair pair;
    pair.source = sources[i];
    pair.placement.nodes.push_back(destinations[i % destinations.size()]);
    for (NodeId node : fallback_nodes) {
      if (node != pair.placement.nodes.front()) {
        pair.placement.nodes.push_back(node);
      }
    }
    pairs.push_back(std::move(pair));
  }
  return pairs;
}

PageList PlacementsOf(absl::Span<const NodePair> pairs) {
  PageList::Builder builder;
  for (const NodePair& pair : pairs) builder.StartEntry(pair.placement);
  return Build(std::move(builder));
}

ProcessWalk::ProcessWalk(TargetProcess* process, std::vector<NodePair> pairs,
                         HiddenPages hidden, uint64_t piece_pages)
    : process_(process),
      pairs_(std::move(pairs)),
      hidden_(hidden),
      piece_pages_(piece_pages),
      at_end_(pairs_.empty()) {}

absl::StatusOr<absl::optional<PageList>> ProcessWalk::Next(
    const MigrationControl& control) {
  Piece piece;
  piece.runs_of_pair.resize(pairs_.size());
  if (at_end_) return absl::nullopt;
  bool cut = false;
  const absl::Status status = process_->LocateResident(
      next_, hidden_, [&](absl::Span<const LocatedRun> located) {
        cut = control.stop() != StopReason::kNone ||
              !std::all_of(
                  located.begin(), located.end(),
                  [&](const LocatedRun& run) { return Take(run, &piece); });
        return !cut;
      });
  if (!status.ok()) return status;
  at_end_ = !cut;
  if (piece.pages == 0) return absl::nullopt;
  return ListOf(piece);
}

bool ProcessWalk::Take(const LocatedRun& located, Piece* piece) {
  const auto pair = std::find_if(
      pairs_.begin(), pairs_.end(),
      [&](const NodePair& one) { return one.source == located.node; });
  if (pair == pairs_.end()) return true;
  const uint64_t first = located.run.start.page_number();
  const uint64_t room = piece_pages_ - std::min(piece_pages_, piece->pages);
  if (piece->end_page == 0 && located.run.pages >= room) {
    piece->end_page =
        (first + room + kHugePagePages - 1) / kHugePagePages * kHugePagePages;
  }
  uint64_t end = first + located.run.pages;
  const bool full = piece->end_page != 0 && end > piece->end_page;
  if (full) {
    next_ = VirtualAddress::OfPage(piece->end_page);
    end = std::max(first, piece->end_page);
  }
  if (end > first) {
    piece->runs_of_pair[static_cast<size_t>(pair - pairs_.begin())].push_back(
        {located.run.start, end - first});
    piece->pages += end - first;
  }
  return !full;
}

PageList ProcessWalk::ListOf(const Piece& piece) const {
  PageList::Builder builder;
  for (size_t i = 0; i < pairs_.size(); ++i) {
    builder.StartEntry(pairs_[i].placement);
    for (const PageRun& run : piece.runs_of_pair[i]) {
      builder.AddRange(run.start, run.pages);
    }
  }
  return Build(std::move(builder));
}

}  // namespace pageferry::core
