#include "server/service/unary_call.h"

#include <utility>

namespace pageferry::service {

grpc::ServerUnaryReactor* AnswerOn(WorkerPool* pool,
                                   grpc::CallbackServerContext* context,
                                   const ServiceContext& service_context,
                                   const Refuser& refuser, CallCounter* calls,
                                   const char* method,
                                   std::function<absl::Status()> answer) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  calls->Begin();
  pool->Post([&refuser, reactor, calls, method, answer = std::move(answer),
              caller = service_context.identify_caller(context).name] {
    const absl::Status status = answer();
    reactor->Finish(status.ok() ? grpc::Status::OK
                                : refuser.Refuse(method, caller, status));
    calls->End();
  });
  return reactor;
}

}  // namespace pageferry::service
