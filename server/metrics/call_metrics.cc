#include "server/metrics/call_metrics.h"

#include "absl/time/time.h"

namespace pageferry::metrics {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Histogram;

// As that middleware spells them.
constexpr std::array<const char*, kStatusCodes> kCodeNames = {
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated"};

// Prometheus' own default, which that middleware takes; seconds.
const Histogram::BucketBoundaries kHandlingBounds = {
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10};

class Meter final : public core::CallMeter {
 public:
  Meter(const CallCounters* counters, core::Clock* clock)
      : counters_(counters), clock_(clock), began_(clock->Monotonic()) {
    counters_->started->Increment();
  }

  void OnMessageReceived() override { counters_->received->Increment(); }
  void OnMessageSent() override { counters_->sent->Increment(); }

  void End(absl::StatusCode code) override {
    const auto known = static_cast<size_t>(code) < kStatusCodes
                           ? static_cast<size_t>(code)
                           : static_cast<size_t>(absl::StatusCode::kUnknown);
    counters_->handled[known]->Increment();
    counters_->handling->Observe(
        absl::ToDoubleSeconds(clock_->Monotonic() - began_));
  }

 private:
  const CallCounters* const counters_;
  core::Clock* const clock_;
  const absl::Duration began_;
};

Family<Counter>& AddCounters(prometheus::Registry* registry, const char* name,
                             const char* help) {
  return prometheus::BuildCounter().Name(name).Help(help).Register(*registry);
}

}  // namespace

CallMetrics::CallMetrics(const std::vector<core::CallMethod>& methods,
                         core::Clock* clock)
    : clock_(clock), registry_(std::make_shared<prometheus::Registry>()) {
  prometheus::Registry* const registry = registry_.get();
  auto& started = AddCounters(registry, "grpc_server_started_total",
                              "Calls that were started.");
  auto& handled = AddCounters(registry, "grpc_server_handled_total",
                              "Calls that ended, whatever the code.");
  auto& received = AddCounters(registry, "grpc_server_msg_received_total",
                               "Messages that clients have sent.");
  auto& sent = AddCounters(registry, "grpc_server_msg_sent_total",
                           "Messages that were sent to clients.");
  auto& handling = prometheus::BuildHistogram()
                       .Name("grpc_server_handling_seconds")
                       .Help("How long calls took, streams to their end.")
                       .Register(*registry);
  for (const core::CallMethod& method : methods) {
    const prometheus::Labels labels = {{"grpc_type", method.type},
                                       {"grpc_service", method.service},
                                       {"grpc_method", method.method}};
    CallCounters counters;
    counters.started = &started.Add(labels);
    counters.received = &received.Add(labels);
    counters.sent = &sent.Add(labels);
    counters.handling = &handling.Add(labels, kHandlingBounds);
    for (size_t code = 0; code < kStatusCodes; ++code) {
      prometheus::Labels with_code = labels;
      with_code["grpc_code"] = kCodeNames[code];
      counters.handled[code] = &handled.Add(with_code);
    }
    methods_[method.path()] = counters;
  }
}

std::unique_ptr<core::CallMeter> CallMetrics::StartCall(
    absl::string_view path) {
  const auto method = methods_.find(path);
  if (method == methods_.end()) return nullptr;
  return std::make_unique<Meter>(&method->second, clock_);
}

}  // namespace pageferry::metrics
