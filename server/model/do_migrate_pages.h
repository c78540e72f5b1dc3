// Moving a whole process from nodes to nodes, as migrate_pages(2) does (Linux
// 4.0, mm/mempolicy.c). Always in SYNC mode, in 4.0 and since.

#ifndef PAGEFERRY_SERVER_MODEL_DO_MIGRATE_PAGES_H_
#define PAGEFERRY_SERVER_MODEL_DO_MIGRATE_PAGES_H_

#include <cstdint>
#include <set>

#include "absl/status/statusor.h"
#include "server/core/backend.h"
#include "server/core/control.h"
#include "server/core/types.h"

namespace pageferry::model {

// Moves the pages of a process that are on nodes of `from` to nodes of `to`, in
// SYNC mode, and returns how many of them could not be moved. Each source has
// one destination, by its rank in `from` (node_remap). Sources are taken in
// such an order that no page moves twice; where every destination is itself a
// source that is left, one is taken all the same. When the sets differ in size,
// nodes that are in both stay. `from` and `to` must not be empty. Blocks.
absl::StatusOr<uint64_t> do_migrate_pages(
    core::TargetProcess& process, const std::set<core::NodeId>& from,
    const std::set<core::NodeId>& to, const core::MigrationControl& control);

// The same for one source and its destination. When the destination is full the
// rest of the list is given up, as the kernel does.
absl::StatusOr<uint64_t> migrate_to_node(core::TargetProcess& process,
                                         core::NodeId source,
                                         core::NodeId destination,
                                         const core::MigrationControl& control);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_DO_MIGRATE_PAGES_H_
