// A Stream as gRPC's callback API wants it.

#ifndef PAGEFERRY_SERVER_SERVICE_STREAM_REACTOR_H_
#define PAGEFERRY_SERVER_SERVICE_STREAM_REACTOR_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <memory>

#include "server/service/call_counter.h"
#include "server/service/stream.h"

namespace pageferry::service {

// Deletes itself when gRPC is done with it. Never sets a buffer hint: on the
// first write of a server stream that hangs gRPC 1.51 for ever.
template <typename Response>
class StreamReactor final : public grpc::ServerWriteReactor<Response>,
                            private StreamTransport {
 public:
  // `calls`, `telemetry` and `clock` must outlive the call.
  StreamReactor(grpc::CallbackServerContext* context,
                const StreamLimits& limits, core::Telemetry* telemetry,
                core::Clock* clock, CallCounter* calls)
      : context_(context),
        calls_(calls),
        stream_(std::make_shared<Stream>(static_cast<StreamTransport*>(this),
                                         limits, telemetry, clock)) {
    calls_->Begin();
  }

  const std::shared_ptr<Stream>& stream() const { return stream_; }

  void OnWriteDone(bool ok) override { stream_->OnSent(ok); }
  void OnCancel() override { stream_->OnCancelled(); }
  void OnDone() override {
    stream_->OnEnded();
    calls_->End();
    delete this;
  }

 private:
  void Send(const google::protobuf::MessageLite& message) override {
    this->StartWrite(static_cast<const Response*>(&message));
  }
  void End(const grpc::Status& status) override { this->Finish(status); }
  void Cancel() override { context_->TryCancel(); }

  grpc::CallbackServerContext* const context_;
  CallCounter* const calls_;
  const std::shared_ptr<Stream> stream_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_STREAM_REACTOR_H_
