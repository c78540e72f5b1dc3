// Reads the options and the small fields of a request.

#ifndef PAGEFERRY_SERVER_SERVICE_OPTION_FIELDS_H_
#define PAGEFERRY_SERVER_SERVICE_OPTION_FIELDS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/backend.h"
#include "server/core/migrate_pages.h"
#include "server/service/violations.h"

namespace pageferry::service {

// A process as a request names it.
struct ProcessName {
  int32_t pid = 0;
  absl::optional<uint64_t> start_time_ticks;
};

// How pages are to be moved, with every default filled in.
struct MigrationPlan {
  core::MoveParameters move;
  core::MigrateOptions migrate;
  v1::ResultDetail result_detail = v1::RESULT_DETAIL_ALL;
  uint64_t max_bytes_per_second = 0;  // 0: no limit of its own
  absl::Duration time_budget = absl::InfiniteDuration();
};

// Each notes in `violations` what is wrong; then its result is not to be used.

// `process` is null where the field is missing. `field` is its path.
ProcessName ReadProcess(const v1::ProcessRef* process, const std::string& field,
                        Violations* violations);

// `default_initial_backoff` is the backend's.
MigrationPlan ReadOptions(const v1::MigrationOptions& options,
                          absl::Duration default_initial_backoff,
                          Violations* violations);

void CheckRequestId(const std::string& request_id, Violations* violations);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_OPTION_FIELDS_H_
