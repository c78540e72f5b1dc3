// A gRPC server: listeners, health, and reflection where asked for.

#ifndef PAGEFERRY_SERVER_SERVICE_SERVER_H_
#define PAGEFERRY_SERVER_SERVICE_SERVER_H_

#include <grpcpp/generic/async_generic_service.h>
#include <grpcpp/impl/service_type.h>
#include <grpcpp/server.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/core/call_telemetry.h"
#include "server/service/endpoint.h"

namespace pageferry::service {

// Serves grpc.health.v1 with the services "liveness" (SERVING while this
// lives), "readiness" and "" (both NOT_SERVING until SetReady()). Thread-safe.
class Server {
 public:
  struct Options {
    std::vector<Endpoint> endpoints;
    // May be empty: then it serves nothing but health. They outlive this.
    std::vector<grpc::Service*> services;
    // Lets anybody who can connect read the contract.
    bool reflection = false;
    // Is told of all calls, if there is one. Outlives this.
    core::CallTelemetry* call_telemetry = nullptr;
  };

  // Listens. Unavailable where an endpoint cannot be had. Blocks shortly.
  static absl::StatusOr<std::unique_ptr<Server>> Create(const Options& options);

  // Ends at once what is left of its calls.
  ~Server();

  void SetReady(bool ready);

  // Takes no new calls, waits for the open ones, and cancels after `timeout`
  // what is left. Blocks until every call has ended.
  void Shutdown(absl::Duration timeout);

  // What it listens on, with the ports that were chosen for port 0.
  const std::vector<std::string>& addresses() const { return addresses_; }

 private:
  Server(std::unique_ptr<grpc::CallbackGenericService> nothing,
         std::unique_ptr<grpc::Server> server,
         std::vector<std::string> addresses);

  const std::unique_ptr<grpc::CallbackGenericService> nothing_;
  const std::unique_ptr<grpc::Server> server_;
  const std::vector<std::string> addresses_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_SERVER_H_
