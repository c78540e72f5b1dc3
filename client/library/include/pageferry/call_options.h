// What one call may be told beside its request.

#ifndef PAGEFERRY_CALL_OPTIONS_H_
#define PAGEFERRY_CALL_OPTIONS_H_

#include "absl/time/time.h"

namespace pageferry::client {

struct CallOptions {
  // When to give the call up with DEADLINE_EXCEEDED. A migration that is given
  // up so promises no summary: bound its work with
  // MigrationOptions.time_budget, and let the deadline be the longer of both.
  absl::Time deadline = absl::InfiniteFuture();

  // Whether to wait, until the deadline, for a daemon that is not there yet.
  // Otherwise the call fails at once with UNAVAILABLE.
  bool wait_for_ready = false;
};

}  // namespace pageferry::client

#endif  // PAGEFERRY_CALL_OPTIONS_H_
