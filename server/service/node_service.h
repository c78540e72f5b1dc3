// The gRPC service that tells about the machine.

#ifndef PAGEFERRY_SERVER_SERVICE_NODE_SERVICE_H_
#define PAGEFERRY_SERVER_SERVICE_NODE_SERVICE_H_

#include "pageferry/v1/node.grpc.pb.h"
#include "server/service/call_counter.h"
#include "server/service/refuser.h"
#include "server/service/service_context.h"
#include "server/service/worker_pool.h"

namespace pageferry::service {

// Thread-safe. gRPC must be done with it before it is destroyed.
class NodeService final : public v1::NodeService::CallbackService {
 public:
  // All must outlive this.
  NodeService(const ServiceContext* context, const Refuser* refuser,
              CallCounter* calls, WorkerPool* front);

  grpc::ServerUnaryReactor* GetTopology(
      grpc::CallbackServerContext* context,
      const v1::GetTopologyRequest* request,
      v1::GetTopologyResponse* response) override;
  grpc::ServerUnaryReactor* GetCapabilities(
      grpc::CallbackServerContext* context,
      const v1::GetCapabilitiesRequest* request,
      v1::GetCapabilitiesResponse* response) override;
  grpc::ServerUnaryReactor* ListTargets(
      grpc::CallbackServerContext* context,
      const v1::ListTargetsRequest* request,
      v1::ListTargetsResponse* response) override;

 private:
  const ServiceContext* const context_;
  const Refuser* const refuser_;
  CallCounter* const calls_;
  WorkerPool* const front_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_NODE_SERVICE_H_
