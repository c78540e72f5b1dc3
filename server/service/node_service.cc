#include "server/service/node_service.h"

#include <string>

#include "absl/status/statusor.h"
#include "server/core/refusal.h"
#include "server/service/conversion.h"
#include "server/service/unary_call.h"

namespace pageferry::service {

NodeService::NodeService(const ServiceContext* context, const Refuser* refuser,
                         CallCounter* calls, WorkerPool* front)
    : context_(context), refuser_(refuser), calls_(calls), front_(front) {}

grpc::ServerUnaryReactor* NodeService::GetTopology(
    grpc::CallbackServerContext* context, const v1::GetTopologyRequest*,
    v1::GetTopologyResponse* response) {
  return AnswerOn(front_, context, *context_, *refuser_, calls_, "GetTopology",
                  [this, response] {
                    const absl::StatusOr<core::Topology> topology =
                        context_->backend->ReadTopology();
                    if (topology.ok()) *response = ToProto(*topology);
                    return topology.status();
                  });
}

grpc::ServerUnaryReactor* NodeService::GetCapabilities(
    grpc::CallbackServerContext* context, const v1::GetCapabilitiesRequest*,
    v1::GetCapabilitiesResponse* response) {
  return AnswerOn(
      front_, context, *context_, *refuser_, calls_, "GetCapabilities",
      [this, response] {
        *response = ToProto(context_->backend->ReadCapabilities());
        response->set_backend(std::string(context_->backend->name()));
        response->set_version(context_->version);
        *response->mutable_limits() =
            LimitsInForce(context_->max_bytes_per_second);
        return absl::OkStatus();
      });
}

grpc::ServerUnaryReactor* NodeService::ListTargets(
    grpc::CallbackServerContext* context, const v1::ListTargetsRequest*,
    v1::ListTargetsResponse*) {
  return AnswerOn(
      front_, context, *context_, *refuser_, calls_, "ListTargets", [] {
        return core::Refuse(core::RefusalReason::kUnsupported,
                            "this version takes processes as targets only, by "
                            "pid, and lists no groups of them");
      });
}

}  // namespace pageferry::service
