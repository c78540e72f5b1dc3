// The errors of the API as absl::Status, with what they say for programs.

#ifndef PAGEFERRY_ERROR_H_
#define PAGEFERRY_ERROR_H_

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "grpcpp/support/status.h"
#include "pageferry/v1/error.pb.h"

namespace pageferry::client {

// The same code and message; the ErrorDetail that came with it, if one did, is
// kept for ErrorDetailOf().
absl::Status ToAbslStatus(const grpc::Status& status);

// Why a call of this client was refused: the reason, every violation, the
// missing right, when to retry. Empty for OK, and for failures that are not
// the daemon's: no connection, the deadline, the caller's own cancel.
absl::optional<v1::ErrorDetail> ErrorDetailOf(const absl::Status& status);

}  // namespace pageferry::client

#endif  // PAGEFERRY_ERROR_H_
