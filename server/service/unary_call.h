// Answers unary calls off gRPC's threads.

#ifndef PAGEFERRY_SERVER_SERVICE_UNARY_CALL_H_
#define PAGEFERRY_SERVER_SERVICE_UNARY_CALL_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <functional>
#include <string>

#include "absl/status/status.h"
#include "server/service/call_counter.h"
#include "server/service/refuser.h"
#include "server/service/service_context.h"
#include "server/service/worker_pool.h"

namespace pageferry::service {

// Has `pool` run `answer`, which fills in the response, or returns why the call
// is refused. `method` must be a literal; all else must outlive the call.
grpc::ServerUnaryReactor* AnswerOn(WorkerPool* pool,
                                   grpc::CallbackServerContext* context,
                                   const ServiceContext& service_context,
                                   const Refuser& refuser, CallCounter* calls,
                                   const char* method,
                                   std::function<absl::Status()> answer);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_UNARY_CALL_H_
