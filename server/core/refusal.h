// A call that is refused: an absl::Status that says, for programs too, why.
//
// Backends and the core refuse with these; the service turns them, in one
// place (service/errors.h), into the errors of the public contract.

#ifndef PAGEFERRY_SERVER_CORE_REFUSAL_H_
#define PAGEFERRY_SERVER_CORE_REFUSAL_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace pageferry::core {

// The conditions of ErrorReason in proto/pageferry/v1/error.proto, where each
// has its status code and what the caller does about it.
enum class RefusalReason {
  kInvalidRequest = 1,
  kProcessNotFound = 2,
  kProcessReplaced = 3,
  kCgroupNotFound = 4,
  kPodNotFound = 5,
  kMigrationNotFound = 6,
  kTargetNotMovable = 7,
  kNodeNotAllowed = 8,
  kRoleLacksRpc = 9,
  kTargetNotAllowed = 10,
  kKernelRefuses = 11,
  kNoCredentials = 12,
  kTooManyMigrations = 13,
  kRequestIdRunning = 14,
  kShuttingDown = 15,
  kNotReady = 16,
  kUnsupported = 17,
  kInternal = 18,
};

// A field of a request that cannot be accepted.
struct Violation {
  std::string field;        // "batches[2].ranges[0].page_count"
  std::string description;  // what is wrong, the value, what would be right
};

// Everything a refusal can say. Fields that do not belong to the reason stay
// empty.
struct Refusal {
  RefusalReason reason = RefusalReason::kInternal;
  std::string message;  // what, where, and how to mend it
  std::vector<Violation> violations;
  absl::optional<absl::Duration> retry_delay;
  std::string migration_id;
  std::string missing;  // "CAP_SYS_NICE", "seccomp: move_pages"
};

// The refusal as a Status, with the code that belongs to its reason.
absl::Status ToStatus(const Refusal& refusal);

// Shorthand for the common case.
absl::Status Refuse(RefusalReason reason, absl::string_view message);

// The refusal that ToStatus put into `status`. A status that is not OK and was
// not made by ToStatus is a kInternal refusal with its message. `status` must
// not be OK.
Refusal RefusalOf(const absl::Status& status);

// Whether a process could not be opened because it has ended since it was
// named. False for OK.
bool ProcessEnded(const absl::Status& status);

// The same of a process that Backend::ListCgroup() listed: what it lists has
// pages, so that one which cannot be moved has become a zombie.
bool LeftItsGroup(const absl::Status& status);

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_REFUSAL_H_
