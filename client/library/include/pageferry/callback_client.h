// The calls of pageferry/client.h without a thread that waits.

#ifndef PAGEFERRY_CALLBACK_CLIENT_H_
#define PAGEFERRY_CALLBACK_CLIENT_H_

#include <functional>
#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "pageferry/call_options.h"
#include "pageferry/v1/migration.grpc.pb.h"
#include "pageferry/v1/node.grpc.pb.h"

namespace pageferry::client {

// A call under way. Dropping the handle leaves the call as it is.
class CallHandle {
 public:
  explicit CallHandle(std::shared_ptr<grpc::ClientContext> context)
      : context_(std::move(context)) {}

  // Gives the call up; its callback still comes, with CANCELLED. Does not
  // block; thread-safe; does nothing once the call has ended.
  void Cancel() { context_->TryCancel(); }

 private:
  std::shared_ptr<grpc::ClientContext> context_;
};

// Thread-safe. Every method returns at once. Callbacks run on gRPC's threads,
// those of one call one after the other; while one blocks, its call stands
// still, and may hold up other calls. The last callback of a call comes exactly
// once. Calls outlive the client that began them.
class CallbackClient {
 public:
  template <typename Message>
  using OnMessage = std::function<void(const Message&)>;
  using OnDone = std::function<void(const absl::Status&)>;
  template <typename Response>
  using OnResponse = std::function<void(absl::StatusOr<Response>)>;

  // See CreateChannel().
  explicit CallbackClient(std::shared_ptr<grpc::Channel> channel);

  // `on_event` for each event, then `on_done`.
  CallHandle MigratePages(const v1::MigratePagesRequest& request,
                          const CallOptions& options,
                          OnMessage<v1::MigrationEvent> on_event,
                          OnDone on_done);
  CallHandle MigrateProcess(const v1::MigrateProcessRequest& request,
                            const CallOptions& options,
                            OnMessage<v1::MigrationEvent> on_event,
                            OnDone on_done);
  CallHandle LocatePages(const v1::LocatePagesRequest& request,
                         const CallOptions& options,
                         OnMessage<v1::LocatePagesResponse> on_locations,
                         OnDone on_done);

  CallHandle ListMigrations(const v1::ListMigrationsRequest& request,
                            const CallOptions& options,
                            OnResponse<v1::ListMigrationsResponse> on_response);
  CallHandle CancelMigration(
      const v1::CancelMigrationRequest& request, const CallOptions& options,
      OnResponse<v1::CancelMigrationResponse> on_response);
  CallHandle GetTopology(const CallOptions& options,
                         OnResponse<v1::GetTopologyResponse> on_response);
  CallHandle GetCapabilities(
      const CallOptions& options,
      OnResponse<v1::GetCapabilitiesResponse> on_response);
  CallHandle ListTargets(const CallOptions& options,
                         OnResponse<v1::ListTargetsResponse> on_response);

 private:
  const std::unique_ptr<v1::MigrationService::Stub> migrations_;
  const std::unique_ptr<v1::NodeService::Stub> nodes_;
};

}  // namespace pageferry::client

#endif  // PAGEFERRY_CALLBACK_CLIENT_H_
