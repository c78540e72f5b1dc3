#include "pageferry/channel.h"

#include <arpa/inet.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "grpcpp/create_channel.h"
#include "grpcpp/security/credentials.h"
#include "grpcpp/support/channel_arguments.h"

namespace pageferry::client {
namespace {

bool IsUnixSocket(absl::string_view endpoint) {
  for (absl::string_view scheme : {"unix:", "unix-abstract:"}) {
    if (absl::ConsumePrefix(&endpoint, scheme)) {
      absl::ConsumePrefix(&endpoint, "//");
      return !endpoint.empty();
    }
  }
  return false;
}

bool IsLoopbackHost(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == 127;
  }
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

// Whether every address that gRPC can make of `endpoint` is on this machine.
bool IsLoopback(absl::string_view endpoint) {
  for (absl::string_view scheme : {"dns:///", "dns:", "ipv4:", "ipv6:"}) {
    if (absl::ConsumePrefix(&endpoint, scheme)) break;
  }
  const size_t colon = endpoint.rfind(':');
  if (colon == absl::string_view::npos) return false;
  absl::string_view host = endpoint.substr(0, colon);
  int port = 0;
  if (!absl::SimpleAtoi(endpoint.substr(colon + 1), &port) || port < 1 ||
      port > 65535) {
    return false;
  }
  if (absl::ConsumePrefix(&host, "[") && !absl::ConsumeSuffix(&host, "]")) {
    return false;
  }
  return IsLoopbackHost(std::string(host));
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::Channel>> CreateChannel(
    absl::string_view endpoint) {
  if (!IsUnixSocket(endpoint) && !IsLoopback(endpoint)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", endpoint,
        "\" is neither a Unix socket (unix:///path) nor TCP on loopback "
        "(127.0.0.1:PORT)"));
  }
  grpc::ChannelArguments arguments;
  // A proxy is for other machines; the daemon is on this one.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  return grpc::CreateCustomChannel(
      std::string(endpoint), grpc::InsecureChannelCredentials(), arguments);
}

}  // namespace pageferry::client
