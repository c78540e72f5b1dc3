// The errors of the API, all of them: this file turns a refusal into what a
// caller gets.
//
// A refusal (core/refusal.h) has a reason; core::ToStatus() knows the status
// code of each, which is that of the ErrorReason of the same number in
// proto/pageferry/v1/error.proto. The caller gets the code, the message, and an
// ErrorDetail in the standard status envelope.

#ifndef PAGEFERRY_SERVER_SERVICE_ERRORS_H_
#define PAGEFERRY_SERVER_SERVICE_ERRORS_H_

#include <grpcpp/support/status.h>

#include <string>

#include "absl/status/status.h"
#include "server/core/refusal.h"

namespace pageferry::service {

// The error of a call that is refused with `status`. OK gives OK. A status that
// core::ToStatus() did not make is a defect and gives INTERNAL.
grpc::Status ToGrpcStatus(const absl::Status& status);

// The contract's name of a reason without its prefix: "INVALID_REQUEST".
std::string RefusalReasonName(core::RefusalReason reason);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_ERRORS_H_
