// The C++ client of Pageferry: start here.
//
//   auto client = pageferry::client::Client::Create();
//   pageferry::v1::MigratePagesRequest request = ...;
//   auto migration = (*client)->MigratePages(request);
//   while (auto event = migration.Next()) { ... }
//   absl::Status status = migration.Finish();
//   if (auto detail = pageferry::client::ErrorDetailOf(status)) { ... }
//
// What the messages mean is said in pageferry/v1/*.proto. A page that cannot
// move is a result in the stream, never a status. This client adds no retries
// and no deadlines of its own: what it sends is what it was given.
//
// Calls that block have a sister in pageferry/callback_client.h.

#ifndef PAGEFERRY_CLIENT_H_
#define PAGEFERRY_CLIENT_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "grpcpp/channel.h"
#include "pageferry/call_options.h"
#include "pageferry/channel.h"
#include "pageferry/error.h"
#include "pageferry/health.h"
#include "pageferry/stream.h"
#include "pageferry/v1/migration.grpc.pb.h"
#include "pageferry/v1/node.grpc.pb.h"

namespace pageferry::client {

// Events in the order of the contract: started first, summary last.
using MigrationStream = Stream<v1::MigrationEvent>;
using LocationStream = Stream<v1::LocatePagesResponse>;

// Blocking calls. Thread-safe; streams outlive the client that made them.
// Every failed call has the status that the daemon sent, with its ErrorDetail
// (see ErrorDetailOf), or UNAVAILABLE without one where no daemon answers.
class Client {
 public:
  // A client of the daemon at `endpoint`, in the syntax of CreateChannel().
  // Does not block and does not connect yet. INVALID_ARGUMENT: the endpoint.
  static absl::StatusOr<std::unique_ptr<Client>> Create(
      absl::string_view endpoint = kDefaultEndpoint);

  // A client on a channel of the caller's making, for instance with mTLS.
  explicit Client(std::shared_ptr<grpc::Channel> channel);

  // Both return at once; the stream blocks. A call that is refused has no
  // event, and Finish() says why. Needs the role `migrator`.
  MigrationStream MigratePages(const v1::MigratePagesRequest& request,
                               const CallOptions& options = {});
  MigrationStream MigrateProcess(const v1::MigrateProcessRequest& request,
                                 const CallOptions& options = {});

  // Returns at once; the stream blocks. Needs the role `observer`.
  LocationStream LocatePages(const v1::LocatePagesRequest& request,
                             const CallOptions& options = {});

  // These block until the daemon has answered or the deadline has passed.
  absl::StatusOr<v1::ListMigrationsResponse> ListMigrations(
      const v1::ListMigrationsRequest& request,
      const CallOptions& options = {});
  absl::StatusOr<v1::CancelMigrationResponse> CancelMigration(
      const v1::CancelMigrationRequest& request,
      const CallOptions& options = {});
  absl::StatusOr<v1::GetTopologyResponse> GetTopology(
      const CallOptions& options = {});
  absl::StatusOr<v1::GetCapabilitiesResponse> GetCapabilities(
      const CallOptions& options = {});
  absl::StatusOr<v1::ListTargetsResponse> ListTargets(
      const CallOptions& options = {});

  // The standard health check (grpc.health.v1) of `service`: "readiness" or
  // "liveness". NOT_FOUND: the daemon knows no such service. Blocks.
  absl::StatusOr<ServingStatus> CheckHealth(absl::string_view service,
                                            const CallOptions& options = {});

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<v1::MigrationService::Stub> migrations_;
  const std::unique_ptr<v1::NodeService::Stub> nodes_;
};

}  // namespace pageferry::client

#endif  // PAGEFERRY_CLIENT_H_
