// The daemon: everything made and wired in one place, run, and brought down.

#ifndef PAGEFERRY_SERVER_DAEMON_DAEMON_H_
#define PAGEFERRY_SERVER_DAEMON_DAEMON_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/core/backend.h"
#include "server/core/clock.h"
#include "server/core/mutex.h"
#include "server/core/rate_limiter.h"
#include "server/core/registry.h"
#include "server/core/telemetry.h"
#include "server/daemon/options.h"
#include "server/metrics/call_metrics.h"
#include "server/metrics/metrics_server.h"
#include "server/metrics/telemetry.h"
#include "server/service/event_log.h"
#include "server/service/server.h"
#include "server/service/service.h"

namespace pageferry::daemon {

// Makes the backend that the options ask for; `telemetry` and `clock` outlive
// it.
using BackendFactory =
    std::function<absl::StatusOr<std::unique_ptr<core::Backend>>(
        const Options& options, core::Telemetry* telemetry,
        core::Clock* clock)>;

class Daemon {
 public:
  // Makes everything, and listens. `log` must outlive it.
  static absl::StatusOr<std::unique_ptr<Daemon>> Create(
      const Options& options, const BackendFactory& create_backend,
      service::EventLog* log);

  // Serves until RequestShutdown(), then drains and returns: new work is
  // refused, what runs stops after its kernel call and is answered. Where that
  // takes longer than the grace time, because a kernel call hangs, the process
  // is ended with kExitFailure. Blocks. Called once.
  void Run();

  // Thread-safe.
  void RequestShutdown();

  // What the API, and, where there are any, health and metrics listen on.
  const std::vector<std::string>& addresses() const;
  std::string health_address() const;   // "off" without
  std::string metrics_address() const;  // "off" without

 private:
  Daemon(const Options& options, service::EventLog* log);

  absl::Status Listen();
  absl::Status ListenForMetrics();
  void LogStart() const;
  void LogSimulatedStores() const;
  void UpdateReadiness();
  void SetReady(bool ready);
  bool AwaitShutdownRequest(absl::Duration timeout);
  void Drain();

  // In order of dependence: each uses only what stands before it.
  const Options options_;
  service::EventLog* const log_;
  core::SystemClock clock_;
  metrics::PrometheusTelemetry telemetry_;
  metrics::CallMetrics call_metrics_;
  std::unique_ptr<core::RateLimiter> limiter_;
  std::unique_ptr<core::Backend> backend_;
  core::MigrationRegistry registry_;
  std::unique_ptr<service::Service> service_;
  std::unique_ptr<service::Server> server_;
  std::unique_ptr<service::Server> health_server_;
  std::unique_ptr<metrics::MetricsServer> metrics_server_;
  absl::optional<bool> ready_;  // as told last

  core::Mutex mutex_;
  core::CondVar shutdown_changed_;
  bool shutdown_requested_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_DAEMON_H_
