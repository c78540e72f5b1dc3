// grpc.health.v1.Health/Check, called by its name on the wire.
//
// Its two messages have one field each, so the wrapper types of protobuf have
// the same bytes. A .proto file of our own for that package would clash, inside
// one process, with any other copy that the program links.

#ifndef PAGEFERRY_CLIENT_LIBRARY_HEALTH_CHECK_H_
#define PAGEFERRY_CLIENT_LIBRARY_HEALTH_CHECK_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"
#include "pageferry/call_options.h"
#include "pageferry/health.h"

namespace pageferry::client {

// Blocks. NOT_FOUND: no such service. Statuses that this client does not know
// are kUnknown.
absl::StatusOr<ServingStatus> CheckHealth(
    const std::shared_ptr<grpc::Channel>& channel, absl::string_view service,
    const CallOptions& options);

}  // namespace pageferry::client

#endif  // PAGEFERRY_CLIENT_LIBRARY_HEALTH_CHECK_H_
