// How a client reaches the daemon of its node.

#ifndef PAGEFERRY_CHANNEL_H_
#define PAGEFERRY_CHANNEL_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"

namespace pageferry::client {

// Where a daemon listens unless it was told otherwise.
inline constexpr char kDefaultEndpoint[] =
    "unix:///run/pageferry/pageferry.sock";

// A channel to `endpoint`, in gRPC's syntax:
//   unix:///absolute/path or unix:path        a Unix socket
//   127.0.0.1:PORT, [::1]:PORT, localhost:PORT  TCP without TLS
// Neither blocks nor connects; the first call does.
//
// INVALID_ARGUMENT: anything else. TCP without TLS is for loopback alone; for
// other hosts make a channel with TLS credentials and hand it to the client.
absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(
    absl::string_view endpoint);

}  // namespace pageferry::client

#endif  // PAGEFERRY_CHANNEL_H_
