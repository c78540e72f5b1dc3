#include "pageferry/client.h"

#include <string>
#include <utility>

#include "client/library/context.h"
#include "client/library/health_check.h"
#include "grpcpp/client_context.h"
#include "grpcpp/support/sync_stream.h"

namespace pageferry::client {
namespace {

v1::LocatePagesResponse Unwrap(v1::LocatePagesResponse response) {
  return response;
}

template <typename Response>
v1::MigrationEvent Unwrap(Response response) {
  return std::move(*response.mutable_event());
}

// A server-streaming call: what Stream reads from.
template <typename Response, typename Message>
class CallSource : public StreamSource<Message> {
 public:
  template <typename Start>
  CallSource(const CallOptions& options, const Start& start) {
    ApplyOptions(options, &context_);
    reader_ = start(&context_);
  }

  // gRPC wants every call finished; what is left of this one is not wanted.
  ~CallSource() override {
    if (finished_) return;
    context_.TryCancel();
    Drain();
  }

  bool Read(Message* message) override {
    Response response;
    if (!reader_->Read(&response)) return false;
    *message = Unwrap(std::move(response));
    return true;
  }

  absl::Status Finish() override {
    finished_ = true;
    return ToAbslStatus(Drain());
  }

  void Cancel() override { context_.TryCancel(); }

 private:
  // The status comes behind the last message only.
  grpc::Status Drain() {
    Response unread;
    while (reader_->Read(&unread)) {
    }
    return reader_->Finish();
  }

  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<Response>> reader_;
  bool finished_ = false;
};

template <typename Message, typename Stub, typename Request, typename Response>
Stream<Message> OpenStream(Stub& stub,
                           std::unique_ptr<grpc::ClientReader<Response>> (
                               Stub::*method)(grpc::ClientContext*,
                                              const Request&),
                           const Request& request, const CallOptions& options) {
  return Stream<Message>(std::make_unique<CallSource<Response, Message>>(
      options, [&](grpc::ClientContext* context) {
        return (stub.*method)(context, request);
      }));
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> CallOnce(
    Stub& stub,
    grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                 Response*),
    const Request& request, const CallOptions& options) {
  grpc::ClientContext context;
  ApplyOptions(options, &context);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return ToAbslStatus(status);
  return response;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Client>> Client::Create(
    absl::string_view endpoint) {
  absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      CreateChannel(endpoint);
  if (!channel.ok()) return channel.status();
  return std::make_unique<Client>(*std::move(channel));
}

Client::Client(std::shared_ptr<grpc::Channel> channel)
    : channel_(std::move(channel)),
      migrations_(v1::MigrationService::NewStub(channel_)),
      nodes_(v1::NodeService::NewStub(channel_)) {}

MigrationStream Client::MigratePages(const v1::MigratePagesRequest& request,
                                     const CallOptions& options) {
  return OpenStream<v1::MigrationEvent>(
      *migrations_, &v1::MigrationService::Stub::MigratePages, request,
      options);
}

MigrationStream Client::MigrateProcess(const v1::MigrateProcessRequest& request,
                                       const CallOptions& options) {
  return OpenStream<v1::MigrationEvent>(
      *migrations_, &v1::MigrationService::Stub::MigrateProcess, request,
      options);
}

LocationStream Client::LocatePages(const v1::LocatePagesRequest& request,
                                   const CallOptions& options) {
  return OpenStream<v1::LocatePagesResponse>(
      *migrations_, &v1::MigrationService::Stub::LocatePages, request, options);
}

absl::StatusOr<v1::ListMigrationsResponse> Client::ListMigrations(
    const v1::ListMigrationsRequest& request, const CallOptions& options) {
  return CallOnce(*migrations_, &v1::MigrationService::Stub::ListMigrations,
                  request, options);
}

absl::StatusOr<v1::CancelMigrationResponse> Client::CancelMigration(
    const v1::CancelMigrationRequest& request, const CallOptions& options) {
  return CallOnce(*migrations_, &v1::MigrationService::Stub::CancelMigration,
                  request, options);
}

absl::StatusOr<v1::GetTopologyResponse> Client::GetTopology(
    const CallOptions& options) {
  return CallOnce(*nodes_, &v1::NodeService::Stub::GetTopology,
                  v1::GetTopologyRequest(), options);
}

absl::StatusOr<v1::GetCapabilitiesResponse> Client::GetCapabilities(
    const CallOptions& options) {
  return CallOnce(*nodes_, &v1::NodeService::Stub::GetCapabilities,
                  v1::GetCapabilitiesRequest(), options);
}

absl::StatusOr<v1::ListTargetsResponse> Client::ListTargets(
    const CallOptions& options) {
  return CallOnce(*nodes_, &v1::NodeService::Stub::ListTargets,
                  v1::ListTargetsRequest(), options);
}

absl::StatusOr<ServingStatus> Client::CheckHealth(absl::string_view service,
                                                  const CallOptions& options) {
  return client::CheckHealth(channel_, service, options);
}

}  // namespace pageferry::client
