// The whole of the API, ready to be served: both gRPC services, their threads,
// and their way down.

#ifndef PAGEFERRY_SERVER_SERVICE_SERVICE_H_
#define PAGEFERRY_SERVER_SERVICE_SERVICE_H_

#include <grpcpp/impl/service_type.h>

#include <vector>

#include "absl/time/time.h"
#include "server/service/call_counter.h"
#include "server/service/migration_service.h"
#include "server/service/node_service.h"
#include "server/service/refuser.h"
#include "server/service/service_context.h"
#include "server/service/worker_pool.h"

namespace pageferry::service {

// Thread-safe. Destroyed after the gRPC servers that serve it; the destructor
// joins all threads, and blocks as long as a kernel call does.
class Service {
 public:
  explicit Service(ServiceContext context);

  // What gRPC servers are to serve. Owned by this.
  std::vector<grpc::Service*> grpc_services();

  // Refuses new work from now on and asks what runs to stop.
  void BeginDrain();

  // Waits until no migration runs or waits and no call is open, or `timeout`
  // has passed; returns whether it is so. Blocks.
  bool AwaitIdle(absl::Duration timeout);

  // Answers for the migrations whose kernel call does not return: their pages
  // that are left are reported as not attempted. To be used only where the
  // process is about to end. Blocks while their clients are slow.
  void CloseDuringCalls() { migrations_.CloseDuringCalls(); }

 private:
  const ServiceContext context_;
  const Refuser refuser_;
  CallCounter calls_;
  // Threads go before what their tasks use: tasks of `front_` use the services.
  MigrationService migrations_;
  NodeService nodes_;
  WorkerPool front_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_SERVICE_H_
