#include "pageferry/callback_client.h"

#include "client/library/context.h"
#include "grpcpp/support/client_callback.h"
#include "pageferry/error.h"

namespace pageferry::client {
namespace {

const v1::LocatePagesResponse& Unwrap(const v1::LocatePagesResponse& response) {
  return response;
}

template <typename Response>
const v1::MigrationEvent& Unwrap(const Response& response) {
  return response.event();
}

// One streaming call; reads a message, hands it on, reads the next. Owns
// itself: gRPC says when it is over.
template <typename Response, typename Message>
class ReadReactor : public grpc::ClientReadReactor<Response> {
 public:
  ReadReactor(std::shared_ptr<grpc::ClientContext> context,
              CallbackClient::OnMessage<Message> on_message,
              CallbackClient::OnDone on_done)
      : context_(std::move(context)),
        on_message_(std::move(on_message)),
        on_done_(std::move(on_done)) {}

  void Begin() {
    this->StartRead(&response_);
    this->StartCall();
  }

  void OnReadDone(bool ok) override {
    if (!ok) return;
    on_message_(Unwrap(response_));
    this->StartRead(&response_);
  }

  void OnDone(const grpc::Status& status) override {
    on_done_(ToAbslStatus(status));
    delete this;
  }

 private:
  const std::shared_ptr<grpc::ClientContext> context_;
  const CallbackClient::OnMessage<Message> on_message_;
  const CallbackClient::OnDone on_done_;
  Response response_;
};

std::shared_ptr<grpc::ClientContext> NewContext(const CallOptions& options) {
  auto context = std::make_shared<grpc::ClientContext>();
  ApplyOptions(options, context.get());
  return context;
}

template <typename Message, typename Async, typename Request, typename Response>
CallHandle OpenStream(Async& async,
                      void (Async::*method)(grpc::ClientContext*,
                                            const Request*,
                                            grpc::ClientReadReactor<Response>*),
                      const Request& request, const CallOptions& options,
                      CallbackClient::OnMessage<Message> on_message,
                      CallbackClient::OnDone on_done) {
  auto context = NewContext(options);
  auto* reactor = new ReadReactor<Response, Message>(
      context, std::move(on_message), std::move(on_done));
  (async.*method)(context.get(), &request, reactor);
  reactor->Begin();
  return CallHandle(std::move(context));
}

template <typename Async, typename Request, typename Response>
CallHandle CallOnce(Async& async,
                    void (Async::*method)(grpc::ClientContext*, const Request*,
                                          Response*,
                                          std::function<void(grpc::Status)>),
                    const Request& request, const CallOptions& options,
                    CallbackClient::OnResponse<Response> on_response) {
  auto context = NewContext(options);
  auto response = std::make_shared<Response>();
  (async.*method)(context.get(), &request, response.get(),
                  [context, response, on_response = std::move(on_response)](
                      const grpc::Status& status) {
                    if (status.ok()) {
                      on_response(std::move(*response));
                    } else {
                      on_response(ToAbslStatus(status));
                    }
                  });
  return CallHandle(std::move(context));
}

// "class", since the stubs have methods of that name too.
using AsyncMigrations = class v1::MigrationService::Stub::async;
using AsyncNodes = class v1::NodeService::Stub::async;

}  // namespace

CallbackClient::CallbackClient(std::shared_ptr<grpc::Channel> channel)
    : migrations_(v1::MigrationService::NewStub(channel)),
      nodes_(v1::NodeService::NewStub(channel)) {}

CallHandle CallbackClient::MigratePages(const v1::MigratePagesRequest& request,
                                        const CallOptions& options,
                                        OnMessage<v1::MigrationEvent> on_event,
                                        OnDone on_done) {
  return OpenStream<v1::MigrationEvent>(
      *migrations_->async(), &AsyncMigrations::MigratePages, request, options,
      std::move(on_event), std::move(on_done));
}

CallHandle CallbackClient::MigrateProcess(
    const v1::MigrateProcessRequest& request, const CallOptions& options,
    OnMessage<v1::MigrationEvent> on_event, OnDone on_done) {
  return OpenStream<v1::MigrationEvent>(
      *migrations_->async(), &AsyncMigrations::MigrateProcess, request, options,
      std::move(on_event), std::move(on_done));
}

CallHandle CallbackClient::LocatePages(
    const v1::LocatePagesRequest& request, const CallOptions& options,
    OnMessage<v1::LocatePagesResponse> on_locations, OnDone on_done) {
  return OpenStream<v1::LocatePagesResponse>(
      *migrations_->async(), &AsyncMigrations::LocatePages, request, options,
      std::move(on_locations), std::move(on_done));
}

CallHandle CallbackClient::ListMigrations(
    const v1::ListMigrationsRequest& request, const CallOptions& options,
    OnResponse<v1::ListMigrationsResponse> on_response) {
  return CallOnce(*migrations_->async(), &AsyncMigrations::ListMigrations,
                  request, options, std::move(on_response));
}

CallHandle CallbackClient::CancelMigration(
    const v1::CancelMigrationRequest& request, const CallOptions& options,
    OnResponse<v1::CancelMigrationResponse> on_response) {
  return CallOnce(*migrations_->async(), &AsyncMigrations::CancelMigration,
                  request, options, std::move(on_response));
}

CallHandle CallbackClient::GetTopology(
    const CallOptions& options,
    OnResponse<v1::GetTopologyResponse> on_response) {
  return CallOnce(*nodes_->async(), &AsyncNodes::GetTopology,
                  v1::GetTopologyRequest(), options, std::move(on_response));
}

CallHandle CallbackClient::GetCapabilities(
    const CallOptions& options,
    OnResponse<v1::GetCapabilitiesResponse> on_response) {
  return CallOnce(*nodes_->async(), &AsyncNodes::GetCapabilities,
                  v1::GetCapabilitiesRequest(), options,
                  std::move(on_response));
}

CallHandle CallbackClient::ListTargets(
    const CallOptions& options,
    OnResponse<v1::ListTargetsResponse> on_response) {
  return CallOnce(*nodes_->async(), &AsyncNodes::ListTargets,
                  v1::ListTargetsRequest(), options, std::move(on_response));
}

}  // namespace pageferry::client
