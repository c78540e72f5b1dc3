// Which pages of a whole process are to move, and where to: found piece by
// piece, so that a process of any size needs little memory and its first pages
// move at once.

#ifndef PAGEFERRY_SERVER_CORE_PROCESS_WALK_H_
#define PAGEFERRY_SERVER_CORE_PROCESS_WALK_H_

#include <cstdint>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/control.h"
#include "server/core/page_list.h"
#include "server/core/types.h"

namespace pageferry::core {

// Where the pages of one node go.
struct NodePair {
  NodeId source;
  Placement placement;
};

// Pairs nodes as migrate_pages(2) does: the i-th lowest source goes to the (i
// mod n)-th lowest of n destinations; a source that is a destination too stays
// and has no pair. `fallback_nodes` are tried for every pair, in order, but for
// the pair's own destination. Sets may hold a node twice; `destinations` must
// not be empty.
std::vector<NodePair> PairNodes(std::vector<NodeId> sources,
                                std::vector<NodeId> destinations,
                                absl::Span<const NodeId> fallback_nodes);

// A list of no pages that has the placements of `pairs`: to find out whether a
// process would take them.
PageList PlacementsOf(absl::Span<const NodePair> pairs);

// Walks one process upwards. Used by one thread at a time.
class ProcessWalk {
 public:
  // `process` must outlive this. A piece has about `piece_pages` pages: it ends
  // at a multiple of 2 MiB, so that no folio is cut in two but those of 1 GiB.
  ProcessWalk(TargetProcess* process, std::vector<NodePair> pairs,
              HiddenPages hidden, uint64_t piece_pages);

  // The next pages that are resident on a source; fewer where `control` said
  // stop, and nothing when the end was reached. Fails as
  // TargetProcess::LocateResident() does. Blocks.
  absl::StatusOr<absl::optional<PageList>> Next(
      const MigrationControl& control);

  // Whether the walk came to the end of the address space.
  bool at_end() const { return at_end_; }

 private:
  // One piece while it is collected.
  struct Piece {
    std::vector<std::vector<PageRun>> runs_of_pair;
    uint64_t pages = 0;
    // The page number at which it ends, once that is known; else 0.
    uint64_t end_page = 0;
  };

  // False when the piece is full; then next_ is where to go on.
  bool Take(const LocatedRun& located, Piece* piece);
  PageList ListOf(const Piece& piece) const;

  TargetProcess* const process_;
  const std::vector<NodePair> pairs_;
  const HiddenPages hidden_;
  const uint64_t piece_pages_;
  VirtualAddress next_;
  bool at_end_ = false;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_PROCESS_WALK_H_
