#include "tests/server/service/service_fixture.h"

#include <grpcpp/create_channel.h>
#include <spdlog/sinks/ostream_sink.h>
#include <stdlib.h>

#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pageferry::service {

TemporaryFolder::TemporaryFolder() {
  std::string name =
      (std::filesystem::temp_directory_path() / "pageferry-XXXXXX").string();
  path_ = mkdtemp(name.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code error;
  std::filesystem::remove_all(path_, error);
}

class RecordingTelemetry::Meter final : public core::MigrationMeter {
 public:
  explicit Meter(RecordingTelemetry* telemetry) : telemetry_(telemetry) {}

  void Update(const core::MigrationSummary&) override {}
  void End(const core::MigrationSummary& summary) override {
    core::MutexLock lock(&telemetry_->mutex_);
    telemetry_->ended_.push_back(summary);
  }

 private:
  RecordingTelemetry* const telemetry_;
};

std::unique_ptr<core::MigrationMeter> RecordingTelemetry::StartMigration(
    core::Method, core::Mode, bool) {
  core::MutexLock lock(&mutex_);
  ++started_;
  return std::make_unique<Meter>(this);
}

void RecordingTelemetry::OnRequestRejected(core::RefusalReason reason) {
  core::MutexLock lock(&mutex_);
  ++rejected_[reason];
}

void RecordingTelemetry::OnStreamStall(absl::Duration) {
  core::MutexLock lock(&mutex_);
  ++stalls_;
  changed_.NotifyAll();
}

int RecordingTelemetry::started() const {
  core::MutexLock lock(&mutex_);
  return started_;
}

int RecordingTelemetry::rejected(core::RefusalReason reason) const {
  core::MutexLock lock(&mutex_);
  const auto found = rejected_.find(reason);
  return found == rejected_.end() ? 0 : found->second;
}

std::vector<core::MigrationSummary> RecordingTelemetry::ended() const {
  core::MutexLock lock(&mutex_);
  return ended_;
}

void RecordingTelemetry::AwaitStall() {
  core::MutexLock lock(&mutex_);
  while (stalls_ == 0) changed_.Wait(&mutex_);
}

void MigrationRecord::Add(const v1::MigrationEvent& event) {
  events.push_back(event);
  if (event.has_started()) started = event.started();
  if (event.has_pass_completed()) passes.push_back(event.pass_completed());
  if (event.has_summary()) summary = event.summary();
  for (const v1::PageResult& result : event.results().results()) {
    results.push_back(result);
  }
}

uint64_t MigrationRecord::PagesWith(v1::PageOutcome outcome) const {
  uint64_t pages = 0;
  for (const v1::PageResult& result : results) {
    if (result.outcome() == outcome) pages += result.page_count();
  }
  return pages;
}

v1::ErrorDetail DetailOf(const grpc::Status& status) {
  v1::Status envelope;
  v1::ErrorDetail detail;
  EXPECT_TRUE(envelope.ParseFromString(status.error_details()));
  EXPECT_EQ(envelope.code(), status.error_code());
  EXPECT_EQ(envelope.message(), status.error_message());
  EXPECT_EQ(envelope.details_size(), 1) << status.error_message();
  if (envelope.details_size() == 1) {
    EXPECT_TRUE(envelope.details(0).UnpackTo(&detail));
  }
  return detail;
}

ServiceTest::ServiceTest() {
  context_.backend = &backend_;
  context_.telemetry = &telemetry_;
  context_.version = "1.2.3";
  context_.identify_caller = [](const grpc::CallbackServerContext* context) {
    const auto& metadata = context->client_metadata();
    const auto name = metadata.find("x-test-caller");
    return Caller{name == metadata.end()
                      ? "tester"
                      : std::string(name->second.data(), name->second.size())};
  };
  backend_.AddProcess(kPid, FakeProcess());
}

void ServiceTest::Start(core::Clock* clock) {
  if (clock == nullptr) clock = &system_clock_;
  log_ = std::make_unique<EventLog>(
      std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_),
      spdlog::level::info, clock);
  registry_ =
      std::make_unique<core::MigrationRegistry>(registry_options_, clock);
  context_.registry = registry_.get();
  context_.log = log_.get();
  context_.clock = clock;
  service_ = std::make_unique<Service>(context_);
  auto endpoint =
      ParseEndpoint(absl::StrCat("unix:", folder_.Path("s")), false);
  ASSERT_TRUE(endpoint.ok());
  auto server = Server::Create(
      {{*endpoint}, service_->grpc_services(), reflection_, call_telemetry_});
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  const std::shared_ptr<grpc::Channel> channel = NewChannel();
  migrations_ = v1::MigrationService::NewStub(channel);
  nodes_ = v1::NodeService::NewStub(channel);
}

void ServiceTest::Stop() {
  backend_.open_gate().Open();
  backend_.call_gate().Open();
  backend_.look_gate().Open();
  server_.reset();
  service_.reset();
}

std::shared_ptr<grpc::Channel> ServiceTest::NewChannel() const {
  grpc::ChannelArguments arguments;
  // A connection of its own for each channel.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  // A client that does not read takes no more than its first window; else gRPC
  // may buffer megabytes for it.
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  return grpc::CreateCustomChannel(absl::StrCat("unix:", folder_.Path("s")),
                                   grpc::InsecureChannelCredentials(),
                                   arguments);
}

v1::MigratePagesRequest ServiceTest::Request(uint64_t pages,
                                             int32_t destination) {
  v1::MigratePagesRequest request;
  request.mutable_process()->set_pid(kPid);
  request.mutable_options()->set_mode(v1::MIGRATE_MODE_ASYNC);
  v1::PageBatch* batch = request.add_batches();
  batch->set_destination_node(destination);
  v1::PageRange* range = batch->add_ranges();
  range->set_start_address(kAddress);
  range->set_page_count(pages);
  return request;
}

MigrationRecord ServiceTest::Migrate(const v1::MigratePagesRequest& request) {
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, request);
  return ReadAll(reader.get());
}

void ServiceTest::AwaitStop(core::Migration& migration) {
  while (migration.control().stop() == core::StopReason::kNone) {
    std::this_thread::yield();
  }
}

MigrationRecord ServiceTest::ReadAll(
    grpc::ClientReader<v1::MigratePagesResponse>* reader) {
  MigrationRecord record;
  v1::MigratePagesResponse response;
  while (reader->Read(&response)) record.Add(response.event());
  record.status = reader->Finish();
  return record;
}

}  // namespace pageferry::service
