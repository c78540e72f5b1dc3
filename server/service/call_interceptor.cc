#include "server/service/call_interceptor.h"

#include <google/protobuf/descriptor.h>

#include <string>
#include <utility>

#include "pageferry/v1/migration.pb.h"
#include "pageferry/v1/node.pb.h"

namespace pageferry::service {
namespace {

using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

class CallInterceptor final : public Interceptor {
 public:
  explicit CallInterceptor(std::unique_ptr<core::CallMeter> meter)
      : meter_(std::move(meter)) {}

  ~CallInterceptor() override {
    if (!ended_) meter_->End(absl::StatusCode::kCancelled);
  }

  void Intercept(InterceptorBatchMethods* batch) override {
    if (batch->QueryInterceptionHookPoint(
            InterceptionHookPoints::POST_RECV_MESSAGE) &&
        batch->GetRecvMessage() != nullptr) {
      meter_->OnMessageReceived();
    }
    if (batch->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_MESSAGE)) {
      meter_->OnMessageSent();
    }
    if (batch->QueryInterceptionHookPoint(
            InterceptionHookPoints::PRE_SEND_STATUS)) {
      ended_ = true;
      meter_->End(
          static_cast<absl::StatusCode>(batch->GetSendStatus().error_code()));
    }
    batch->Proceed();
  }

 private:
  const std::unique_ptr<core::CallMeter> meter_;
  bool ended_ = false;
};

class Factory final : public ServerInterceptorFactoryInterface {
 public:
  explicit Factory(core::CallTelemetry* telemetry) : telemetry_(telemetry) {}

  Interceptor* CreateServerInterceptor(ServerRpcInfo* info) override {
    std::unique_ptr<core::CallMeter> meter =
        telemetry_->StartCall(info->method());
    // gRPC owns it, and goes without where there is none.
    return meter == nullptr ? nullptr : new CallInterceptor(std::move(meter));
  }

 private:
  core::CallTelemetry* const telemetry_;
};

const char* TypeOf(const google::protobuf::MethodDescriptor& method) {
  if (method.client_streaming()) {
    return method.server_streaming() ? "bidi_stream" : "client_stream";
  }
  return method.server_streaming() ? "server_stream" : "unary";
}

}  // namespace

std::vector<core::CallMethod> ServedMethods() {
  std::vector<core::CallMethod> methods = {
      {"grpc.health.v1.Health", "Check", "unary"},
      {"grpc.health.v1.Health", "Watch", "server_stream"}};
  for (const google::protobuf::FileDescriptor* file :
       {v1::MigratePagesRequest::descriptor()->file(),
        v1::GetTopologyRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      const google::protobuf::ServiceDescriptor& service = *file->service(i);
      for (int j = 0; j < service.method_count(); ++j) {
        methods.push_back({service.full_name(), service.method(j)->name(),
                           TypeOf(*service.method(j))});
      }
    }
  }
  return methods;
}

std::unique_ptr<ServerInterceptorFactoryInterface> NewCallInterceptorFactory(
    core::CallTelemetry* telemetry) {
  return std::make_unique<Factory>(telemetry);
}

}  // namespace pageferry::service
