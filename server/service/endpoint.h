// Where the daemon listens.

#ifndef PAGEFERRY_SERVER_SERVICE_ENDPOINT_H_
#define PAGEFERRY_SERVER_SERVICE_ENDPOINT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace pageferry::service {

// A parsed endpoint.
struct Endpoint {
  std::string address;    // as gRPC takes it
  std::string unix_path;  // of a Unix socket; empty for TCP
};

// Reads "unix:///run/pageferry/pageferry.sock", "unix:relative/path" or
// "HOST:PORT". TCP is refused but on a literal loopback address, and there
// unless `insecure_loopback`: every local user can connect to that.
// InvalidArgument otherwise, with what would be right.
absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       bool insecure_loopback);

// Makes way for a Unix socket: makes its directory (mode 0750: gRPC creates the
// socket with the umask alone) and removes a socket on which nobody listens.
// FailedPrecondition when somebody does, or when something else has that name.
// Blocks.
absl::Status PrepareUnixSocket(const std::string& path);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_ENDPOINT_H_
