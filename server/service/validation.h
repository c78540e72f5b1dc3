// Checks requests, whole, and turns them into what the core works on.
//
// Each function returns a plan, or a refusal that lists every field that is
// wrong (at most kMaxViolations). None blocks; the work grows with the length
// of the request, never with the number of pages that it names.

#ifndef PAGEFERRY_SERVER_SERVICE_VALIDATION_H_
#define PAGEFERRY_SERVER_SERVICE_VALIDATION_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/page_list.h"
#include "server/core/process_walk.h"
#include "server/core/types.h"
#include "server/service/option_fields.h"

namespace pageferry::service {

struct MigratePagesPlan {
  ProcessName process;
  core::PageList pages;
  MigrationPlan how;
  std::string request_id;  // empty: none
};

// `memory_nodes` are the valid destinations, `default_initial_backoff` is the
// backend's.
absl::StatusOr<MigratePagesPlan> PlanMigratePages(
    const v1::MigratePagesRequest& request,
    absl::Span<const core::NodeId> memory_nodes,
    absl::Duration default_initial_backoff);

// A process, or all that are in and below a cgroup.
struct TargetName {
  ProcessName process;  // where `cgroup` is empty
  std::string cgroup;

  bool is_process() const { return cgroup.empty(); }
};

struct MigrateProcessPlan {
  TargetName target;
  std::vector<core::NodePair> pairs;
  MigrationPlan how;
  std::string request_id;  // empty: none
};

// Pods and containers are checked, and then refused with kUnsupported: this
// version does not resolve them. So with LocatePages.
absl::StatusOr<MigrateProcessPlan> PlanMigrateProcess(
    const v1::MigrateProcessRequest& request,
    absl::Span<const core::NodeId> memory_nodes,
    absl::Duration default_initial_backoff);

struct LocatePagesPlan {
  TargetName target;
  // Empty with `all_resident`.
  core::PageList pages;
  bool all_resident = false;
};

absl::StatusOr<LocatePagesPlan> PlanLocatePages(
    const v1::LocatePagesRequest& request);

// The number of entries that a page of ListMigrations is to have.
absl::StatusOr<uint32_t> PlanPageSize(const v1::ListMigrationsRequest& request);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_VALIDATION_H_
