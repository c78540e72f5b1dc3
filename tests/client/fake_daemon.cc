#include "tests/client/fake_daemon.h"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "grpc/grpc.h"
#include "grpcpp/health_check_service_interface.h"
#include "grpcpp/security/server_credentials.h"
#include "grpcpp/server_builder.h"

namespace pageferry::client {
namespace {

constexpr std::chrono::seconds kNever(60);

template <typename Handler, typename... Arguments>
grpc::Status Answer(const Handler& handler, Arguments&&... arguments) {
  if (handler == nullptr) {
    return Refuse(grpc::StatusCode::UNIMPLEMENTED, v1::ERROR_REASON_UNSUPPORTED,
                  "not scripted");
  }
  return handler(std::forward<Arguments>(arguments)...);
}

// Requests of one kind, kept for the test.
template <typename Request>
class Requests {
 public:
  void Add(const Request& request) {
    std::lock_guard<std::mutex> lock(mutex_);
    requests_.push_back(request);
  }
  std::vector<Request> Copy() const {
    std::lock_guard<std::mutex> lock(mutex_);
    return requests_;
  }

 private:
  mutable std::mutex mutex_;
  std::vector<Request> requests_;
};

}  // namespace

class FakeDaemon::Migrations final : public v1::MigrationService::Service {
 public:
  explicit Migrations(FakeDaemon* daemon) : daemon_(*daemon) {}

  grpc::Status MigratePages(
      grpc::ServerContext* context, const v1::MigratePagesRequest* request,
      grpc::ServerWriter<v1::MigratePagesResponse>* writer) override {
    migrate.Add(*request);
    return Answer(daemon_.on_migrate, *request, context,
                  [writer](const v1::MigrationEvent& event) {
                    v1::MigratePagesResponse response;
                    *response.mutable_event() = event;
                    return writer->Write(response);
                  });
  }

  grpc::Status MigrateProcess(
      grpc::ServerContext* context, const v1::MigrateProcessRequest* request,
      grpc::ServerWriter<v1::MigrateProcessResponse>* writer) override {
    migrate_process.Add(*request);
    return Answer(daemon_.on_migrate_process, *request, context,
                  [writer](const v1::MigrationEvent& event) {
                    v1::MigrateProcessResponse response;
                    *response.mutable_event() = event;
                    return writer->Write(response);
                  });
  }

  grpc::Status LocatePages(
      grpc::ServerContext* context, const v1::LocatePagesRequest* request,
      grpc::ServerWriter<v1::LocatePagesResponse>* writer) override {
    locate.Add(*request);
    return Answer(daemon_.on_locate, *request, context,
                  [writer](const v1::LocatePagesResponse& response) {
                    return writer->Write(response);
                  });
  }

  grpc::Status ListMigrations(grpc::ServerContext*,
                              const v1::ListMigrationsRequest* request,
                              v1::ListMigrationsResponse* response) override {
    return Answer(daemon_.on_list, *request, response);
  }

  grpc::Status CancelMigration(grpc::ServerContext*,
                               const v1::CancelMigrationRequest* request,
                               v1::CancelMigrationResponse* response) override {
    cancel.Add(*request);
    return Answer(daemon_.on_cancel, *request, response);
  }

  Requests<v1::MigratePagesRequest> migrate;
  Requests<v1::MigrateProcessRequest> migrate_process;
  Requests<v1::LocatePagesRequest> locate;
  Requests<v1::CancelMigrationRequest> cancel;

 private:
  const FakeDaemon& daemon_;
};

class FakeDaemon::Nodes final : public v1::NodeService::Service {
 public:
  explicit Nodes(FakeDaemon* daemon) : daemon_(*daemon) {}

  grpc::Status GetTopology(grpc::ServerContext*,
                           const v1::GetTopologyRequest* request,
                           v1::GetTopologyResponse* response) override {
    return Answer(daemon_.on_topology, *request, response);
  }

  grpc::Status GetCapabilities(grpc::ServerContext*,
                               const v1::GetCapabilitiesRequest* request,
                               v1::GetCapabilitiesResponse* response) override {
    return Answer(daemon_.on_capabilities, *request, response);
  }

  grpc::Status ListTargets(grpc::ServerContext*,
                           const v1::ListTargetsRequest* request,
                           v1::ListTargetsResponse* response) override {
    return Answer(daemon_.on_targets, *request, response);
  }

 private:
  const FakeDaemon& daemon_;
};

grpc::Status Refuse(grpc::StatusCode code, const std::string& message,
                    const v1::ErrorDetail& detail) {
  v1::Status envelope;
  envelope.set_code(code);
  envelope.set_message(message);
  envelope.add_details()->PackFrom(detail);
  return grpc::Status(code, message, envelope.SerializeAsString());
}

grpc::Status Refuse(grpc::StatusCode code, v1::ErrorReason reason,
                    const std::string& message) {
  v1::ErrorDetail detail;
  detail.set_reason(reason);
  return Refuse(code, message, detail);
}

void Event::Notify() {
  std::lock_guard<std::mutex> lock(mutex_);
  happened_ = true;
  condition_.notify_all();
}

bool Event::Wait() {
  std::unique_lock<std::mutex> lock(mutex_);
  return condition_.wait_for(lock, kNever, [this] { return happened_; });
}

FakeDaemon::FakeDaemon()
    : migrations_(std::make_unique<Migrations>(this)),
      nodes_(std::make_unique<Nodes>(this)) {
  std::string folder =
      (std::filesystem::temp_directory_path() / "pageferry.XXXXXX").string();
  if (mkdtemp(folder.data()) == nullptr) std::abort();
  folder_ = folder;
  endpoint_ = "unix://" + folder_ + "/socket";
  // Never undone: when its last user leaves, gRPC waits for a poller that may
  // sleep for ten seconds.
  grpc_init();
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(endpoint_, grpc::InsecureServerCredentials());
  builder.RegisterService(migrations_.get());
  builder.RegisterService(nodes_.get());
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) std::abort();
}

FakeDaemon::~FakeDaemon() {
  Stop();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

void FakeDaemon::SetServing(const std::string& service, bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(service, serving);
}

void FakeDaemon::Stop() {
  server_->Shutdown(std::chrono::system_clock::now());
  server_->Wait();
}

std::vector<v1::MigratePagesRequest> FakeDaemon::migrate_requests() const {
  return migrations_->migrate.Copy();
}

std::vector<v1::MigrateProcessRequest> FakeDaemon::process_requests() const {
  return migrations_->migrate_process.Copy();
}

std::vector<v1::LocatePagesRequest> FakeDaemon::locate_requests() const {
  return migrations_->locate.Copy();
}

std::vector<v1::CancelMigrationRequest> FakeDaemon::cancel_requests() const {
  return migrations_->cancel.Copy();
}

v1::MigrationEvent StartedEvent(const std::string& id, uint64_t pages) {
  v1::MigrationEvent event;
  v1::MigrationStarted* started = event.mutable_started();
  started->set_migration_id(id);
  started->set_backend("kernel");
  started->set_fidelity(v1::MODE_FIDELITY_SCREENED);
  started->set_page_count(pages);
  return event;
}

v1::MigrationEvent ResultEvent(uint64_t start_address, uint32_t pages,
                               v1::PageOutcome outcome, v1::PageReason reason) {
  v1::MigrationEvent event;
  v1::PageResult* result = event.mutable_results()->add_results();
  event.mutable_results()->set_pid(17);
  result->set_start_address(start_address);
  result->set_page_count(pages);
  result->set_outcome(outcome);
  result->set_reason(reason);
  result->set_source_node(0);
  result->set_node(outcome == v1::PAGE_OUTCOME_MOVED ? 1 : 0);
  result->set_passes(1);
  return event;
}

v1::MigrationEvent SummaryEvent(const v1::MigrationSummary& summary) {
  v1::MigrationEvent event;
  *event.mutable_summary() = summary;
  return event;
}

v1::ReasonCount Count(v1::PageReason reason, uint64_t pages) {
  v1::ReasonCount count;
  count.set_reason(reason);
  count.set_page_count(pages);
  return count;
}

uint64_t PagesOf(const v1::MigratePagesRequest& request) {
  uint64_t pages = 0;
  for (const v1::PageBatch& batch : request.batches()) {
    pages += batch.addresses_size();
    for (const v1::PageRange& range : batch.ranges()) {
      pages += range.page_count();
    }
  }
  return pages;
}

grpc::Status MoveAll(const v1::MigratePagesRequest& request,
                     grpc::ServerContext*,
                     const FakeDaemon::Send<v1::MigrationEvent>& send) {
  const uint64_t pages = PagesOf(request);
  send(StartedEvent("m-1", pages));
  v1::MigrationSummary summary;
  summary.set_requested_pages(pages);
  summary.set_moved_pages(pages);
  summary.set_moved_bytes(pages * 4096);
  summary.set_passes(1);
  summary.set_stop_reason(v1::STOP_REASON_COMPLETED);
  send(SummaryEvent(summary));
  return grpc::Status::OK;
}

}  // namespace pageferry::client
