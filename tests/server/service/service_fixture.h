// The service behind a real gRPC server on a Unix socket, over a fake backend.

#ifndef PAGEFERRY_TESTS_SERVER_SERVICE_SERVICE_FIXTURE_H_
#define PAGEFERRY_TESTS_SERVER_SERVICE_SERVICE_FIXTURE_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

#include "pageferry/v1/error.pb.h"
#include "pageferry/v1/migration.grpc.pb.h"
#include "pageferry/v1/node.grpc.pb.h"
#include "server/service/server.h"
#include "server/service/service.h"
#include "tests/server/service/fake_backend.h"

namespace pageferry::service {

// A folder that is gone after the test.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();

  std::string Path(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

// Notes what it is told. Thread-safe.
class RecordingTelemetry final : public core::Telemetry {
 public:
  std::unique_ptr<core::MigrationMeter> StartMigration(
      core::Method method, core::Mode mode, bool validate_only) override;
  void OnKernelCall(core::Mode, absl::Duration) override {}
  void OnRequestRejected(core::RefusalReason reason) override;
  void OnStreamStall(absl::Duration length) override;

  int started() const;
  int rejected(core::RefusalReason reason) const;
  std::vector<core::MigrationSummary> ended() const;
  // Waits until a stream has waited for its reader, and the wait is over.
  void AwaitStall();

 private:
  class Meter;

  mutable core::Mutex mutex_;
  core::CondVar changed_;
  int started_ ABSL_GUARDED_BY(mutex_) = 0;
  int stalls_ ABSL_GUARDED_BY(mutex_) = 0;
  std::map<core::RefusalReason, int> rejected_ ABSL_GUARDED_BY(mutex_);
  std::vector<core::MigrationSummary> ended_ ABSL_GUARDED_BY(mutex_);
};

// What came over a stream of migration events.
struct MigrationRecord {
  std::vector<v1::MigrationEvent> events;
  v1::MigrationStarted started;
  std::vector<v1::PageResult> results;
  std::vector<v1::PassCompleted> passes;
  absl::optional<v1::MigrationSummary> summary;
  grpc::Status status;

  void Add(const v1::MigrationEvent& event);
  uint64_t PagesWith(v1::PageOutcome outcome) const;
};

// The ErrorDetail of a refused call; a failure of the test without one.
v1::ErrorDetail DetailOf(const grpc::Status& status);

// Everything is made by Start(), after the test has changed `context_options`.
class ServiceTest : public testing::Test {
 protected:
  static constexpr int32_t kPid = 1000;
  static constexpr uint64_t kAddress = 0x7f0000000000;

  ServiceTest();

  // What the service uses must live until then: members, not locals of a test.
  void TearDown() override { Stop(); }

  // The clock is the machine's unless `clock` is another.
  void Start(core::Clock* clock = nullptr);
  // Ends what Start() began, in the order of the daemon.
  void Stop();

  std::shared_ptr<grpc::Channel> NewChannel() const;

  // A request for `pages` pages from kAddress on, to `destination`.
  static v1::MigratePagesRequest Request(uint64_t pages,
                                         int32_t destination = 1);
  MigrationRecord Migrate(const v1::MigratePagesRequest& request);
  MigrationRecord ReadAll(grpc::ClientReader<v1::MigratePagesResponse>* reader);
  // Waits until the migration has been asked to stop.
  static void AwaitStop(core::Migration& migration);

  FakeBackend backend_;
  RecordingTelemetry telemetry_;
  core::SystemClock system_clock_;
  core::FakeClock fake_clock_;
  std::ostringstream log_text_;
  ServiceContext context_;  // for Start()
  core::MigrationRegistry::Options registry_options_;
  bool reflection_ = false;
  core::CallTelemetry* call_telemetry_ = nullptr;

  TemporaryFolder folder_;
  std::unique_ptr<EventLog> log_;
  std::unique_ptr<core::MigrationRegistry> registry_;
  std::unique_ptr<Service> service_;
  std::unique_ptr<Server> server_;
  std::unique_ptr<v1::MigrationService::Stub> migrations_;
  std::unique_ptr<v1::NodeService::Stub> nodes_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_TESTS_SERVER_SERVICE_SERVICE_FIXTURE_H_
