#include "server/service/caller.h"

#include "absl/strings/match.h"

namespace pageferry::service {

std::string PeerName(const std::string& peer) {
  if (absl::StartsWith(peer, "unix")) return "unix";
  return peer.substr(0, peer.rfind(':'));
}

Caller IdentifyByPeer(const grpc::CallbackServerContext* context) {
  return {PeerName(context->peer())};
}

}  // namespace pageferry::service
