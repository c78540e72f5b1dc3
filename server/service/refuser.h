// Refuses calls: with the catalogue's error, a count and a line in the log.

#ifndef PAGEFERRY_SERVER_SERVICE_REFUSER_H_
#define PAGEFERRY_SERVER_SERVICE_REFUSER_H_

#include <grpcpp/support/status.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "server/core/telemetry.h"
#include "server/service/event_log.h"

namespace pageferry::service {

// Thread-safe.
class Refuser {
 public:
  // Both must outlive this.
  Refuser(core::Telemetry* telemetry, EventLog* log)
      : telemetry_(telemetry), log_(log) {}

  // The error of a call of `method` by `caller` that is refused with `status`,
  // which must not be OK.
  grpc::Status Refuse(absl::string_view method, absl::string_view caller,
                      const absl::Status& status) const;

 private:
  core::Telemetry* const telemetry_;
  EventLog* const log_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_REFUSER_H_
