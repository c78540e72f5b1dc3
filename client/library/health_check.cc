#include "client/library/health_check.h"

#include <future>
#include <string>
#include <utility>

#include "client/library/context.h"
#include "google/protobuf/wrappers.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/generic/generic_stub.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "pageferry/error.h"

namespace pageferry::client {
namespace {

using google::protobuf::Int32Value;
using google::protobuf::StringValue;

ServingStatus ToServingStatus(int32_t value) {
  switch (value) {
    case 1:
      return ServingStatus::kServing;
    case 2:
      return ServingStatus::kNotServing;
    default:
      return ServingStatus::kUnknown;
  }
}

}  // namespace

absl::StatusOr<ServingStatus> CheckHealth(
    const std::shared_ptr<grpc::Channel>& channel, absl::string_view service,
    const CallOptions& options) {
  grpc::ClientContext context;
  ApplyOptions(options, &context);
  StringValue request;
  request.set_value(std::string(service));
  Int32Value response;
  std::promise<grpc::Status> done;
  grpc::TemplatedGenericStub<StringValue, Int32Value> stub(channel);
  stub.UnaryCall(&context, "/grpc.health.v1.Health/Check", grpc::StubOptions(),
                 &request, &response, [&done](grpc::Status status) {
                   done.set_value(std::move(status));
                 });
  const grpc::Status status = done.get_future().get();
  if (!status.ok()) return ToAbslStatus(status);
  return ToServingStatus(response.value());
}

}  // namespace pageferry::client
