// Who calls.

#ifndef PAGEFERRY_SERVER_SERVICE_CALLER_H_
#define PAGEFERRY_SERVER_SERVICE_CALLER_H_

#include <grpcpp/server_context.h>

#include <functional>
#include <string>

namespace pageferry::service {

struct Caller {
  // One name for all connections of one caller; scopes its request ids.
  std::string name;
};

// Must not block.
using CallerIdentifier =
    std::function<Caller(const grpc::CallbackServerContext*)>;

// Names the caller after the peer's address, without its port, which differs
// from connection to connection: "unix", "ipv4:127.0.0.1".
Caller IdentifyByPeer(const grpc::CallbackServerContext* context);

// The same, of an address as gRPC writes it.
std::string PeerName(const std::string& peer);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_CALLER_H_
