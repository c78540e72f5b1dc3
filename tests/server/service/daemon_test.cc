// pageferryd: its command line, its life in this process over a fake backend,
// and the program itself.

#include "server/daemon/daemon.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spdlog/sinks/ostream_sink.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <iostream>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/daemon/exit_code.h"
#include "server/daemon/options.h"
#include "server/daemon/signals.h"
#include "server/daemon/watchdog.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::daemon {
namespace {

using core::NodeId;
using service::FakeBackend;
using service::TemporaryFolder;
using testing::HasSubstr;

// ------------------------------------------------------------ command line

struct Parsed {
  std::variant<Options, int> result;
  std::string out;
  std::string err;
};

Parsed Parse(std::vector<const char*> arguments) {
  arguments.insert(arguments.begin(), "pageferryd");
  std::ostringstream out;
  std::ostringstream err;
  auto result = ParseOptions(static_cast<int>(arguments.size()),
                             arguments.data(), out, err);
  return {std::move(result), out.str(), err.str()};
}

TEST(OptionsTest, HaveTheDefaultsOfTheContract) {
  const Parsed parsed = Parse({});
  const Options& options = std::get<Options>(parsed.result);
  ASSERT_EQ(options.endpoints.size(), 1u);
  EXPECT_EQ(options.endpoints[0].unix_path, "/run/pageferry/pageferry.sock");
  EXPECT_TRUE(options.health_endpoints.empty());
  EXPECT_EQ(options.metrics_address, "127.0.0.1:9464");
  EXPECT_FALSE(options.reflection);
  EXPECT_EQ(options.max_bytes_per_second, 0u);
  EXPECT_EQ(options.grace_time, absl::Seconds(30));
  EXPECT_EQ(options.log_level, spdlog::level::info);
}

TEST(OptionsTest, TakesWhatIsGiven) {
  const Parsed parsed =
      Parse({"--listen", "unix:///tmp/a", "--listen", "127.0.0.1:7000",
             "--insecure-loopback", "--metrics-address", "off",
             "--health-address", "0.0.0.0:7001", "--backend", "kernel",
             "--reflection", "--max-bytes-per-second", "1000000",
             "--grace-time", "1m30s", "--log-level", "error"});
  const Options& options = std::get<Options>(parsed.result);
  ASSERT_EQ(options.endpoints.size(), 2u);
  EXPECT_EQ(options.endpoints[1].address, "127.0.0.1:7000");
  EXPECT_EQ(options.metrics_address, "");
  EXPECT_EQ(options.health_endpoints[0].address, "0.0.0.0:7001");
  EXPECT_TRUE(options.reflection);
  EXPECT_EQ(options.max_bytes_per_second, 1'000'000u);
  EXPECT_EQ(options.grace_time, absl::Seconds(90));
  EXPECT_EQ(options.log_level, spdlog::level::err);
}

TEST(OptionsTest, TheModelIsAskedForByNameAndWithItsScenario) {
  const Parsed parsed =
      Parse({"--backend=model", "--scenario", "machine.textproto"});
  const Options& options = std::get<Options>(parsed.result);
  EXPECT_EQ(options.backend, BackendKind::kModel);
  EXPECT_EQ(options.scenario_path, "machine.textproto");
}

TEST(OptionsTest, HelpSaysWhatItExitsWith) {
  const Parsed parsed = Parse({"--help"});
  EXPECT_EQ(std::get<int>(parsed.result), kExitOk);
  EXPECT_THAT(parsed.out, HasSubstr("Exit codes:"));
  EXPECT_THAT(parsed.out, HasSubstr("4  the command line is wrong"));
}

TEST(OptionsTest, VersionIsThatOfTheProject) {
  const Parsed parsed = Parse({"--version"});
  EXPECT_EQ(std::get<int>(parsed.result), kExitOk);
  EXPECT_THAT(parsed.out, HasSubstr("pageferryd 0."));
}

TEST(OptionsTest, RefusesWhatIsWrongAndSaysWhatWouldBeRight) {
  const std::vector<std::pair<std::vector<const char*>, std::string>> cases = {
      {{"--listen", "127.0.0.1:1"}, "--insecure-loopback"},
      {{"--listen", "0.0.0.0:1", "--insecure-loopback"}, "use a Unix socket"},
      {{"--listen", "nonsense"}, "neither unix:///PATH nor ADDRESS:PORT"},
      {{"--grace-time", "0s"}, "more than 0"},
      {{"--grace-time", "soon"}, "\"soon\""},
      {{"--backend", "model"}, "--scenario FILE"},
      {{"--scenario", "a.textproto"}, "--backend=model"},
      {{"--backend", "other"}, "other"},
      {{"--log-level", "loud"}, "loud"},
      {{"--max-bytes-per-second", "-1"}, "max-bytes-per-second"},
      {{"--no-such-option"}, "no-such-option"},
  };
  for (const auto& [arguments, part] : cases) {
    const Parsed parsed = Parse(arguments);
    ASSERT_TRUE(std::holds_alternative<int>(parsed.result)) << part;
    EXPECT_EQ(std::get<int>(parsed.result), kExitUsage);
    EXPECT_THAT(parsed.err, HasSubstr(part));
  }
}

// ---------------------------------------------------------------- watchdog

TEST(WatchdogTest, ActsWhenTheTimeIsUp) {
  service::Gate gate;
  gate.Close();
  std::thread waiting([&gate] { gate.Pass(); });
  const Watchdog watchdog(absl::Milliseconds(1), [&gate] { gate.Open(); });
  waiting.join();
}

TEST(WatchdogTest, DoesNothingWhenItIsGoneInTime) {
  std::atomic<bool> acted = false;
  {
    const Watchdog watchdog(absl::Hours(1), [&acted] { acted = true; });
  }
  EXPECT_FALSE(acted);
}

// ----------------------------------------------------------------- the life

constexpr int32_t kPid = 1000;
constexpr uint64_t kAddress = 0x7f0000000000;

class DaemonTest : public testing::Test {
 protected:
  DaemonTest() {
    auto backend = std::make_unique<FakeBackend>();
    backend_ = backend.get();
    backend_->AddProcess(kPid, service::FakeProcess());
    backend_->AddPages(kPid, kAddress, 16, {NodeId(0)});
    backend_->SetBatchPages(4);
    unused_backend_ = std::move(backend);
    options_.endpoints = {
        {absl::StrCat("unix:", folder_.Path("s")), folder_.Path("s")}};
    options_.health_endpoints = {{"127.0.0.1:0", ""}};
    options_.metrics_address = "127.0.0.1:0";
    options_.grace_time = absl::Minutes(5);
  }

  ~DaemonTest() override {
    if (daemon_ != nullptr) Stop();
  }

  absl::Status Create(spdlog::sink_ptr sink) {
    log_ = std::make_unique<service::EventLog>(std::move(sink),
                                               spdlog::level::info, &clock_);
    auto daemon = Daemon::Create(
        options_,
        [this](const Options&, core::Telemetry*,
               core::Clock*) -> absl::StatusOr<std::unique_ptr<core::Backend>> {
          return std::move(unused_backend_);
        },
        log_.get());
    if (!daemon.ok()) return daemon.status();
    daemon_ = *std::move(daemon);
    return absl::OkStatus();
  }

  void Start() {
    ASSERT_TRUE(
        Create(std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_))
            .ok());
    thread_ = std::thread([this] { daemon_->Run(); });
    const auto channel = grpc::CreateChannel(
        daemon_->addresses().at(0), grpc::InsecureChannelCredentials());
    migrations_ = v1::MigrationService::NewStub(channel);
  }

  void Stop() {
    daemon_->RequestShutdown();
    thread_.join();
    daemon_.reset();
  }

  static v1::MigratePagesRequest Request() {
    v1::MigratePagesRequest request;
    request.mutable_process()->set_pid(kPid);
    request.mutable_options()->set_mode(v1::MIGRATE_MODE_ASYNC);
    v1::PageBatch* batch = request.add_batches();
    batch->set_destination_node(1);
    v1::PageRange* range = batch->add_ranges();
    range->set_start_address(kAddress);
    range->set_page_count(16);
    return request;
  }

  static service::MigrationRecord ReadAll(
      grpc::ClientReader<v1::MigratePagesResponse>* reader) {
    service::MigrationRecord record;
    v1::MigratePagesResponse response;
    while (reader->Read(&response)) record.Add(response.event());
    record.status = reader->Finish();
    return record;
  }

  TemporaryFolder folder_;
  core::SystemClock clock_;
  std::ostringstream log_text_;
  std::unique_ptr<service::EventLog> log_;
  FakeBackend* backend_;
  std::unique_ptr<core::Backend> unused_backend_;
  Options options_;
  std::unique_ptr<Daemon> daemon_;
  std::thread thread_;
  std::unique_ptr<v1::MigrationService::Stub> migrations_;
};

TEST_F(DaemonTest, ServesAndEnds) {
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request());
  EXPECT_EQ(ReadAll(reader.get()).summary->moved_pages(), 16u);
  EXPECT_NE(daemon_->health_address(), "127.0.0.1:0");
  EXPECT_NE(daemon_->metrics_address(), "127.0.0.1:0");
  Stop();
  const std::string log = log_text_.str();
  for (const char* message :
       {"started", "ready", "migration ended", "draining", "ended"}) {
    EXPECT_THAT(log, HasSubstr(absl::StrCat("\"message\":\"", message, "\"")));
  }
}

TEST_F(DaemonTest, SaysAtItsEndWhatBecameOfSimulatedStores) {
  backend_->SetSimulatedStores({1234, 2});
  Start();
  Stop();
  EXPECT_THAT(log_text_.str(),
              HasSubstr("\"message\":\"simulated threads have lost stores\","
                        "\"stores\":1234,\"lost_stores\":2"));
}

TEST_F(DaemonTest, WhenNotReadySaysWhy) {
  core::Capabilities capabilities;
  capabilities.not_ready_reason = "one node only";
  capabilities.privileges = {{"CAP_SYS_NICE", false, "shared pages stay"},
                             {"CAP_SYS_PTRACE", true, ""}};
  backend_->SetCapabilities(capabilities);
  Start();
  Stop();
  EXPECT_THAT(log_text_.str(), HasSubstr("\"reason\":\"one node only\""));
  EXPECT_THAT(log_text_.str(),
              HasSubstr("\"missing_privileges\":\"CAP_SYS_NICE\""));
}

TEST_F(DaemonTest, DrainsAMigrationThatRuns) {
  backend_->call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request());
  backend_->call_gate().AwaitWaiting(1);
  daemon_->RequestShutdown();
  // New work is refused from some moment on.
  while (true) {
    grpc::ClientContext probe_context;
    v1::MigratePagesRequest probe = Request();
    probe.mutable_process()->set_pid(4711);
    const grpc::Status status =
        ReadAll(migrations_->MigratePages(&probe_context, probe).get()).status;
    if (status.error_code() == grpc::StatusCode::UNAVAILABLE) break;
  }
  backend_->call_gate().Open();
  const service::MigrationRecord record = ReadAll(reader.get());
  EXPECT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_DRAINING);
  EXPECT_EQ(record.summary->moved_pages(), 4u);
}

TEST_F(DaemonTest, ACallThatHangsIsLeftBehindAfterTheGraceTime) {
  testing::FLAGS_gtest_death_test_style = "threadsafe";
  options_.grace_time = absl::Seconds(2);
  const auto hang = [this] {
    backend_->call_gate().Close();
    if (!Create(std::make_shared<spdlog::sinks::stderr_sink_mt>()).ok()) return;
    thread_ = std::thread([this] { daemon_->Run(); });
    migrations_ = v1::MigrationService::NewStub(grpc::CreateChannel(
        daemon_->addresses().at(0), grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    const auto reader = migrations_->MigratePages(&context, Request());
    backend_->call_gate().AwaitWaiting(1);
    daemon_->RequestShutdown();
    // The client has its answer all the same.
    const service::MigrationRecord record = ReadAll(reader.get());
    std::cerr << "unverified: " << record.summary->unverified_pages() << "\n";
    thread_.join();
  };
  EXPECT_EXIT(hang(), testing::ExitedWithCode(kExitFailure),
              "unverified: 4\n(.|\n)*ended with work left behind");
}

TEST_F(DaemonTest, DoesNotStartWhereAnAddressCannotBeHad) {
  options_.metrics_address = "192.0.2.1:1";
  EXPECT_THAT(
      std::string(
          Create(std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_))
              .message()),
      HasSubstr("cannot serve metrics on 192.0.2.1:1"));
}

TEST_F(DaemonTest, DoesNotStartWithoutABackend) {
  core::SystemClock clock;
  service::EventLog log(
      std::make_shared<spdlog::sinks::ostream_sink_mt>(log_text_),
      spdlog::level::info, &clock);
  const auto daemon = Daemon::Create(
      options_,
      [](const Options&, core::Telemetry*,
         core::Clock*) -> absl::StatusOr<std::unique_ptr<core::Backend>> {
        return absl::FailedPreconditionError("no /proc here");
      },
      &log);
  EXPECT_EQ(daemon.status().message(), "no /proc here");
}

// -------------------------------------------------------------- the program

// pageferryd as a process. Killed at the end if it still runs.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), PAGEFERRYD);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int pipe_ends[2];
    EXPECT_EQ(pipe2(pipe_ends, O_CLOEXEC), 0);
    pid_ = fork();
    if (pid_ == 0) {
      dup2(pipe_ends[1], STDERR_FILENO);
      execv(PAGEFERRYD, argv.data());
      _exit(127);
    }
    close(pipe_ends[1]);
    stderr_ = fdopen(pipe_ends[0], "r");
  }

  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    fclose(stderr_);
  }

  // Reads its log up to a line with `part`; empty when there is none.
  std::string ReadUntil(const std::string& part) {
    char* line = nullptr;
    size_t size = 0;
    std::string found;
    while (found.empty() && getline(&line, &size, stderr_) > 0) {
      if (absl::StrContains(line, part)) found = line;
    }
    free(line);
    return found;
  }

  void Send(int signal) { kill(pid_, signal); }

  // Waits for its end; its exit code, or -1.
  int ExitCode() {
    int status = 0;
    waitpid(std::exchange(pid_, -1), &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  FILE* stderr_ = nullptr;
};

class ProgramTest : public testing::Test {
 protected:
  std::vector<std::string> Arguments() const {
    return {"--listen", absl::StrCat("unix://", folder_.Path("run/s")),
            "--metrics-address", "127.0.0.1:0"};
  }

  TemporaryFolder folder_;
};

TEST_F(ProgramTest, AnswersUntilItIsAskedToEnd) {
  for (const int signal : {SIGTERM, SIGINT}) {
    Program program(Arguments());
    EXPECT_THAT(program.ReadUntil("\"message\":\"started\""),
                HasSubstr("\"backend\":\"kernel\""));
    const auto stub = v1::NodeService::NewStub(
        grpc::CreateChannel(absl::StrCat("unix:", folder_.Path("run/s")),
                            grpc::InsecureChannelCredentials()));
    grpc::ClientContext context;
    v1::GetCapabilitiesResponse response;
    EXPECT_TRUE(stub->GetCapabilities(&context, {}, &response).ok());
    EXPECT_EQ(response.backend(), "kernel");
    program.Send(signal);
    EXPECT_FALSE(program.ReadUntil("\"message\":\"ended\"").empty());
    EXPECT_EQ(program.ExitCode(), kExitOk);
  }
}

TEST_F(ProgramTest, TakesTheSocketOfOneThatWasKilledButNotOfOneThatLives) {
  Program killed(Arguments());
  ASSERT_FALSE(killed.ReadUntil("started").empty());
  killed.Send(SIGKILL);
  EXPECT_EQ(killed.ExitCode(), -1);
  Program alive(Arguments());
  ASSERT_FALSE(alive.ReadUntil("started").empty());
  Program second(Arguments());
  EXPECT_THAT(second.ReadUntil("cannot start"),
              HasSubstr("another daemon listens"));
  EXPECT_EQ(second.ExitCode(), kExitFailure);
}

TEST_F(ProgramTest, ExitsWithTheCodeForUsage) {
  Program program({"--nonsense"});
  EXPECT_FALSE(program.ReadUntil("--nonsense").empty());
  EXPECT_EQ(program.ExitCode(), kExitUsage);
}

}  // namespace
}  // namespace pageferry::daemon
