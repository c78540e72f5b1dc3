// Tells of each gRPC call, whatever it does.

#ifndef PAGEFERRY_SERVER_SERVICE_CALL_INTERCEPTOR_H_
#define PAGEFERRY_SERVER_SERVICE_CALL_INTERCEPTOR_H_

#include <grpcpp/support/server_interceptor.h>

#include <memory>
#include <vector>

#include "server/core/call_telemetry.h"

namespace pageferry::service {

// All methods that a server can serve: those of the contract and of gRPC's
// health service.
std::vector<core::CallMethod> ServedMethods();

// For a ServerBuilder. `telemetry` must outlive the server. A call whose client
// goes away before it is answered ends as CANCELLED.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>
NewCallInterceptorFactory(core::CallTelemetry* telemetry);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_CALL_INTERCEPTOR_H_
