// Counts gRPC calls under the names of gRPC's usual Prometheus middleware
// (go-grpc-middleware, java-grpc-prometheus), so that its dashboards fit.

#ifndef PAGEFERRY_SERVER_METRICS_CALL_METRICS_H_
#define PAGEFERRY_SERVER_METRICS_CALL_METRICS_H_

#include <prometheus/counter.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>

#include <array>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "server/core/call_telemetry.h"
#include "server/core/clock.h"

namespace pageferry::metrics {

// Codes of gRPC, 0 (OK) to 16.
inline constexpr size_t kStatusCodes = 17;

// What one method counts.
struct CallCounters {
  prometheus::Counter* started = nullptr;
  prometheus::Counter* received = nullptr;
  prometheus::Counter* sent = nullptr;
  prometheus::Histogram* handling = nullptr;
  std::array<prometheus::Counter*, kStatusCodes> handled = {};  // by code
};

// grpc_server_started_total, _handled_total, _handling_seconds,
// _msg_received_total and _msg_sent_total. Thread-safe.
class CallMetrics final : public core::CallTelemetry {
 public:
  // Makes the series of all `methods`; others are not counted. `clock` must
  // outlive this.
  CallMetrics(const std::vector<core::CallMethod>& methods, core::Clock* clock);

  std::unique_ptr<core::CallMeter> StartCall(absl::string_view path) override;

  // What there is to be scraped.
  std::shared_ptr<prometheus::Collectable> collectable() const {
    return registry_;
  }

 private:
  core::Clock* const clock_;
  const std::shared_ptr<prometheus::Registry> registry_;
  std::map<std::string, CallCounters, std::less<>> methods_;  // by path
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_CALL_METRICS_H_
