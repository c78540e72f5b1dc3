#include "server/model/do_migrate_pages.h"

#include <iterator>
#include <memory>
#include <utility>

#include "absl/types/optional.h"
#include "server/core/migrate_pages.h"
#include "server/core/page_list.h"

namespace pageferry::model {
namespace {

using core::NodeId;

class NobodyLooks final : public core::MigrationObserver {
 public:
  void OnSettled(absl::Span<const core::SettledRun>) override {}
  void OnPassCompleted(const core::PassFigures&) override {}
  void OnProgress(const core::MigrationSummary&) override {}
};

// The node of `to` with the rank that `node` has in `from`, counted round.
NodeId Remap(NodeId node, const std::set<NodeId>& from,
             const std::set<NodeId>& to) {
  const size_t rank = std::distance(from.begin(), from.find(node));
  return *std::next(to.begin(), static_cast<int64_t>(rank % to.size()));
}

// The next source to take of those left, and its destination: if there is one,
// a source whose destination is not itself a source that is left.
absl::optional<std::pair<NodeId, NodeId>> NextPair(const std::set<NodeId>& left,
                                                   const std::set<NodeId>& from,
                                                   const std::set<NodeId>& to) {
  absl::optional<std::pair<NodeId, NodeId>> next;
  for (NodeId source : left) {
    if (from.size() != to.size() && to.count(source) > 0) continue;
    const NodeId destination = Remap(source, from, to);
    if (destination == source) continue;
    next = {source, destination};
    if (left.count(destination) == 0) break;
  }
  return next;
}

}  // namespace

absl::StatusOr<uint64_t> do_migrate_pages(
    core::TargetProcess& process, const std::set<NodeId>& from,
    const std::set<NodeId>& to, const core::MigrationControl& control) {
  uint64_t busy = 0;
  std::set<NodeId> left = from;
  for (auto next = NextPair(left, from, to); next.has_value();
       next = NextPair(left, from, to)) {
    left.erase(next->first);
    const absl::StatusOr<uint64_t> not_moved =
        migrate_to_node(process, next->first, next->second, control);
    if (!not_moved.ok()) return not_moved.status();
    busy += *not_moved;
  }
  return busy;
}

absl::StatusOr<uint64_t> migrate_to_node(
    core::TargetProcess& process, NodeId source, NodeId destination,
    const core::MigrationControl& control) {
  core::PageList::Builder builder;
  builder.StartEntry({{destination}});
  uint64_t found = 0;
  const absl::Status located =
      process.LocateResident(core::VirtualAddress(), core::HiddenPages::kTouch,
                             [&](absl::Span<const core::LocatedRun> runs) {
                               for (const core::LocatedRun& run : runs) {
                                 if (run.node != source) continue;
                                 builder.AddRange(run.run.start, run.run.pages);
                                 found += run.run.pages;
                               }
                               return true;
                             });
  if (!located.ok()) return located;
  if (found == 0) return 0;
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  core::MoveParameters parameters;
  parameters.mode = core::Mode::kSync;
  absl::StatusOr<std::unique_ptr<core::BatchMover>> mover =
      process.NewMover(pages, parameters);
  if (!mover.ok()) return mover.status();
  core::MigrateOptions options;
  options.initial_backoff = absl::ZeroDuration();
  options.no_memory = core::NoMemoryPolicy::kAbortList;
  NobodyLooks observer;
  const core::MigrationSummary summary =
      core::MigratePages(pages, options, **mover, control, {}, observer);
  return summary.failed_pages + summary.not_attempted_pages;
}

}  // namespace pageferry::model
