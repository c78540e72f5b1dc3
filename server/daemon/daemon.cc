#include "server/daemon/daemon.h"

#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
#include "server/daemon/build_info.h"
#include "server/daemon/exit_code.h"
#include "server/daemon/watchdog.h"
#include "server/metrics/collectors.h"
#include "server/service/call_interceptor.h"

namespace pageferry::daemon {
namespace {

constexpr char kProcRoot[] = "/proc";

// How often the daemon looks whether it has become ready, or is no more: nodes
// come and go with memory hotplug.
constexpr absl::Duration kReadinessPeriod = absl::Seconds(10);

// The end of the grace time that is left for calls whose readers are slow to
// be cancelled, and for the threads to end.
absl::Duration CancelTime(absl::Duration grace_time) {
  return std::min(grace_time / 5, absl::Seconds(3));
}

// How long calls may take that have their last answer, or come in while the
// server closes. Those that watch health never end on their own, so it is
// short.
constexpr absl::Duration kLastCallsTime = absl::Milliseconds(100);

std::string MissingPrivileges(const core::Capabilities& capabilities) {
  std::vector<std::string> names;
  for (const core::Privilege& privilege : capabilities.privileges) {
    if (!privilege.present) names.push_back(privilege.name);
  }
  return absl::StrJoin(names, ", ");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Daemon>> Daemon::Create(
    const Options& options, const BackendFactory& create_backend,
    service::EventLog* log) {
  auto daemon = std::unique_ptr<Daemon>(new Daemon(options, log));
  auto backend = create_backend(options, &daemon->telemetry_, &daemon->clock_);
  if (!backend.ok()) return backend.status();
  daemon->backend_ = *std::move(backend);
  if (absl::Status status = daemon->Listen(); !status.ok()) return status;
  if (absl::Status status = daemon->ListenForMetrics(); !status.ok()) {
    return status;
  }
  return daemon;
}

Daemon::Daemon(const Options& options, service::EventLog* log)
    : options_(options),
      log_(log),
      telemetry_(
          {BuildVersion(), BuildRevision(), BackendName(options.backend)}),
      call_metrics_(service::ServedMethods(), &clock_),
      registry_(core::MigrationRegistry::Options(), &clock_) {
  if (options.max_bytes_per_second > 0) {
    limiter_ =
        std::make_unique<core::RateLimiter>(options.max_bytes_per_second);
  }
}

absl::Status Daemon::Listen() {
  service::ServiceContext context;
  context.backend = backend_.get();
  context.registry = &registry_;
  context.telemetry = &telemetry_;
  context.clock = &clock_;
  context.log = log_;
  context.server_limiter = limiter_.get();
  context.max_bytes_per_second = options_.max_bytes_per_second;
  context.version = BuildVersion();
  service_ = std::make_unique<service::Service>(std::move(context));

  auto server =
      service::Server::Create({options_.endpoints, service_->grpc_services(),
                               options_.reflection, &call_metrics_});
  if (!server.ok()) return server.status();
  server_ = *std::move(server);
  if (options_.health_endpoints.empty()) return absl::OkStatus();
  auto health_server = service::Server::Create(
      {options_.health_endpoints, {}, false, &call_metrics_});
  if (!health_server.ok()) return health_server.status();
  health_server_ = *std::move(health_server);
  return absl::OkStatus();
}

absl::Status Daemon::ListenForMetrics() {
  if (options_.metrics_address.empty()) return absl::OkStatus();
  auto metrics_server = metrics::MetricsServer::Create(
      options_.metrics_address,
      {telemetry_.collectable(), call_metrics_.collectable(),
       std::make_shared<metrics::RegistryCollector>(&registry_),
       std::make_shared<metrics::BackendCollector>(backend_.get()),
       std::make_shared<metrics::ProcCollector>(kProcRoot)});
  if (!metrics_server.ok()) return metrics_server.status();
  metrics_server_ = *std::move(metrics_server);
  return absl::OkStatus();
}

void Daemon::Run() {
  LogStart();
  do {
    UpdateReadiness();
  } while (!AwaitShutdownRequest(kReadinessPeriod));
  Drain();
  // The library takes up to two seconds to end: its thread looks no oftener.
  metrics_server_.reset();
  LogSimulatedStores();
  log_->Info("ended");
}

void Daemon::LogStart() const {
  const core::Capabilities capabilities = backend_->ReadCapabilities();
  log_->Info("started",
             {{"version", BuildVersion()},
              {"revision", BuildRevision()},
              {"backend", BackendName(options_.backend)},
              {"kernel_release", capabilities.kernel_release},
              {"endpoints", absl::StrJoin(addresses(), ", ")},
              {"health_address", health_address()},
              {"metrics_address", metrics_address()},
              {"missing_privileges", MissingPrivileges(capabilities)}});
  if (options_.backend == BackendKind::kModel) {
    log_->Warning(
        "every process and page is simulated: nothing of this machine moves",
        {{"scenario", options_.scenario_path}});
  }
}

void Daemon::LogSimulatedStores() const {
  const auto stores = backend_->ReadSimulatedStores();
  if (!stores.has_value() || stores->made == 0) return;
  if (stores->lost == 0) {
    log_->Info("simulated threads have found each store that they looked for",
               {{"stores", stores->made}});
  } else {
    log_->Error("simulated threads have lost stores",
                {{"stores", stores->made}, {"lost_stores", stores->lost}});
  }
}

const std::vector<std::string>& Daemon::addresses() const {
  return server_->addresses();
}

std::string Daemon::health_address() const {
  return health_server_ == nullptr ? "off" : health_server_->addresses()[0];
}

std::string Daemon::metrics_address() const {
  return metrics_server_ == nullptr ? "off" : metrics_server_->address();
}

void Daemon::UpdateReadiness() {
  telemetry_.AddNodes(backend_->MemoryNodes());
  const core::Capabilities capabilities = backend_->ReadCapabilities();
  if (ready_ == capabilities.ready) return;
  ready_ = capabilities.ready;
  SetReady(capabilities.ready);
  if (capabilities.ready) {
    log_->Info("ready");
  } else {
    log_->Warning("not ready: migrations are refused",
                  {{"reason", capabilities.not_ready_reason}});
  }
}

void Daemon::SetReady(bool ready) {
  server_->SetReady(ready);
  if (health_server_ != nullptr) health_server_->SetReady(ready);
}

void Daemon::RequestShutdown() {
  core::MutexLock lock(&mutex_);
  shutdown_requested_ = true;
  shutdown_changed_.NotifyAll();
}

bool Daemon::AwaitShutdownRequest(absl::Duration timeout) {
  core::MutexLock lock(&mutex_);
  const absl::Duration end = clock_.Monotonic() + timeout;
  while (!shutdown_requested_) {
    const absl::Duration left = end - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    clock_.WaitFor(&mutex_, &shutdown_changed_, left);
  }
  return true;
}

void Daemon::Drain() {
  log_->Info("draining", {{"grace_time_seconds", options_.grace_time}});
  const Watchdog watchdog(options_.grace_time, [this] {
    log_->Error(
        "ended with work left behind: a call into the kernel has not returned, "
        "or a client has not read, within the grace time");
    _exit(kExitFailure);
  });
  SetReady(false);
  service_->BeginDrain();
  const bool idle = service_->AwaitIdle(options_.grace_time -
                                        CancelTime(options_.grace_time));
  if (!idle) {
    log_->Warning("answering and cancelling calls that have not ended");
    service_->CloseDuringCalls();
  }
  server_->Shutdown(kLastCallsTime);
  health_server_.reset();
  server_.reset();
  service_.reset();
}

}  // namespace pageferry::daemon
