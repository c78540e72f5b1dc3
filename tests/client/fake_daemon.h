// A daemon that says what a test tells it to, on a Unix socket of its own.

#ifndef PAGEFERRY_TESTS_CLIENT_FAKE_DAEMON_H_
#define PAGEFERRY_TESTS_CLIENT_FAKE_DAEMON_H_

#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "grpcpp/server.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/status.h"
#include "grpcpp/support/sync_stream.h"
#include "pageferry/v1/error.pb.h"
#include "pageferry/v1/migration.grpc.pb.h"
#include "pageferry/v1/node.grpc.pb.h"

namespace pageferry::client {

// The refusal as the daemon sends it.
grpc::Status Refuse(grpc::StatusCode code, const std::string& message,
                    const v1::ErrorDetail& detail);
grpc::Status Refuse(grpc::StatusCode code, v1::ErrorReason reason,
                    const std::string& message);

// Something that happens once and is waited for.
class Event {
 public:
  void Notify();
  // Returns false when it has not happened for so long that it will not.
  bool Wait();

 private:
  std::mutex mutex_;
  std::condition_variable condition_;
  bool happened_ = false;
};

// Keeps every request. Handlers that a test does not set answer UNIMPLEMENTED;
// they run on the server's threads. Ended with the object.
class FakeDaemon {
 public:
  template <typename Message>
  using Send = std::function<bool(const Message&)>;
  template <typename Request, typename Message>
  using StreamHandler = std::function<grpc::Status(
      const Request&, grpc::ServerContext*, const Send<Message>&)>;
  template <typename Request, typename Response>
  using UnaryHandler = std::function<grpc::Status(const Request&, Response*)>;

  FakeDaemon();
  ~FakeDaemon();

  // "unix:///..."
  const std::string& endpoint() const { return endpoint_; }

  StreamHandler<v1::MigratePagesRequest, v1::MigrationEvent> on_migrate;
  StreamHandler<v1::MigrateProcessRequest, v1::MigrationEvent>
      on_migrate_process;
  StreamHandler<v1::LocatePagesRequest, v1::LocatePagesResponse> on_locate;
  UnaryHandler<v1::ListMigrationsRequest, v1::ListMigrationsResponse> on_list;
  UnaryHandler<v1::CancelMigrationRequest, v1::CancelMigrationResponse>
      on_cancel;
  UnaryHandler<v1::GetTopologyRequest, v1::GetTopologyResponse> on_topology;
  UnaryHandler<v1::GetCapabilitiesRequest, v1::GetCapabilitiesResponse>
      on_capabilities;
  UnaryHandler<v1::ListTargetsRequest, v1::ListTargetsResponse> on_targets;

  // Copies of what has come in so far.
  std::vector<v1::MigratePagesRequest> migrate_requests() const;
  std::vector<v1::MigrateProcessRequest> process_requests() const;
  std::vector<v1::LocatePagesRequest> locate_requests() const;
  std::vector<v1::CancelMigrationRequest> cancel_requests() const;

  void SetServing(const std::string& service, bool serving);

  // From now on nobody answers at the endpoint.
  void Stop();

 private:
  class Migrations;
  class Nodes;

  std::string folder_;
  std::string endpoint_;
  std::unique_ptr<Migrations> migrations_;
  std::unique_ptr<Nodes> nodes_;
  std::unique_ptr<grpc::Server> server_;
};

// Events as a daemon would send them.
v1::MigrationEvent StartedEvent(const std::string& id, uint64_t pages);
v1::MigrationEvent ResultEvent(uint64_t start_address, uint32_t pages,
                               v1::PageOutcome outcome,
                               v1::PageReason reason = {});
v1::MigrationEvent SummaryEvent(const v1::MigrationSummary& summary);
v1::ReasonCount Count(v1::PageReason reason, uint64_t pages);

// Distinct pages that the request names, if it names none twice.
uint64_t PagesOf(const v1::MigratePagesRequest& request);

// Answers that every page moved.
grpc::Status MoveAll(const v1::MigratePagesRequest& request,
                     grpc::ServerContext* context,
                     const FakeDaemon::Send<v1::MigrationEvent>& send);

}  // namespace pageferry::client

#endif  // PAGEFERRY_TESTS_CLIENT_FAKE_DAEMON_H_
