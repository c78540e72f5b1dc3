// The core's types as messages of the contract. Enumerations have the same
// numbers on both sides.

#ifndef PAGEFERRY_SERVER_SERVICE_CONVERSION_H_
#define PAGEFERRY_SERVER_SERVICE_CONVERSION_H_

#include <google/protobuf/duration.pb.h>
#include <google/protobuf/timestamp.pb.h>

#include <cstdint>

#include "absl/time/time.h"
#include "pageferry/v1/migration.pb.h"
#include "pageferry/v1/node.pb.h"
#include "server/core/backend.h"
#include "server/core/migrate_pages.h"
#include "server/core/registry.h"
#include "server/core/summary.h"
#include "server/core/topology.h"
#include "server/core/types.h"

namespace pageferry::service {

// What a migration was asked to do, for ListMigrations; the description of a
// core::MigrationRequest.
struct MigrationDescription {
  v1::Target target;
  v1::MigrationOptions options;
};

// Lengths beyond what a Duration holds become its longest.
google::protobuf::Duration ToProtoDuration(absl::Duration duration);
google::protobuf::Timestamp ToProtoTimestamp(absl::Time time);

// Appends `run` to `results` and returns how many entries it took: one, or
// more where its pages do not fit into page_count.
int AppendPageResults(const core::SettledRun& run, v1::PageResults* results);

// The same for a located run.
int AppendPageLocations(const core::LocatedRun& run,
                        v1::LocatePagesResponse* response);

v1::ProcessRef ToProto(const core::ProcessId& process);
v1::PassCompleted ToProto(const core::PassFigures& pass);
v1::MigrationSummary ToProto(const core::MigrationSummary& summary);

// `migration` must have a MigrationDescription.
v1::MigrationInfo ToProto(const core::Migration& migration);

v1::GetTopologyResponse ToProto(const core::Topology& topology);

// The limits of core/limits.h. `bytes_per_second` is the server's rate limit, 0
// for none.
v1::Limits LimitsInForce(uint64_t bytes_per_second);

// What the backend can do. Leaves out what it does not know: backend, version,
// limits.
v1::GetCapabilitiesResponse ToProto(const core::Capabilities& capabilities);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_CONVERSION_H_
