#include "server/metrics/telemetry.h"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "server/core/reasons.h"
#include "tests/server/metrics/samples.h"

namespace pageferry::metrics {
namespace {

using core::Mode;
using core::NodeId;

const PrometheusTelemetry& FreshTelemetry() {
  static const auto& telemetry = *[] {
    auto* fresh = new PrometheusTelemetry({"1.0", "abc", "kernel"});
    const std::vector<NodeId> nodes = {NodeId(0), NodeId(2)};
    fresh->AddNodes(nodes);
    return fresh;
  }();
  return telemetry;
}

TEST(TelemetryTest, EverySeriesIsThereFromTheStart) {
  const auto collectable = FreshTelemetry().collectable();
  for (const std::string mode : {"ASYNC", "SYNC_LIGHT", "SYNC"}) {
    for (const std::string name :
         {"pageferry_requested_pages_total",
          "pageferry_already_placed_pages_total",
          "pageferry_not_attempted_pages_total",
          "pageferry_companion_pages_total",
          "pageferry_migration_duration_seconds", "pageferry_migration_passes",
          "pageferry_kernel_call_duration_seconds"}) {
      EXPECT_EQ(SampleOf(*collectable, name + "{mode=" + mode + "}"), 0);
    }
    for (int i = 1; i < core::kReasonCount; ++i) {
      const std::string labels =
          "{mode=" + mode + ",reason=" +
          std::string(core::ReasonName(static_cast<core::Reason>(i))) + "}";
      EXPECT_EQ(SampleOf(*collectable, "pageferry_failed_pages_total" + labels),
                0);
      EXPECT_EQ(
          SampleOf(*collectable, "pageferry_retried_pages_total" + labels), 0);
      EXPECT_EQ(
          SampleOf(*collectable, "pageferry_recovered_pages_total" + labels),
          0);
      EXPECT_EQ(
          SampleOf(*collectable, "pageferry_validated_pages_total" + labels),
          0);
    }
  }
}

TEST(TelemetryTest, EveryPairOfNodesIsThereFromTheStart) {
  const auto collectable = FreshTelemetry().collectable();
  for (const std::string nodes :
       {"source_node=0,destination_node=2", "source_node=2,destination_node=0",
        "source_node=unknown,destination_node=0",
        "source_node=unknown,destination_node=2"}) {
    for (const std::string name :
         {"pageferry_moved_pages_total", "pageferry_moved_bytes_total"}) {
      EXPECT_EQ(SampleOf(*collectable, name + "{mode=SYNC," + nodes + "}"), 0);
    }
  }
  EXPECT_FALSE(HasSample(*collectable,
                         "pageferry_moved_pages_total{mode=SYNC,"
                         "source_node=0,destination_node=0}"));
}

TEST(TelemetryTest, EveryEndIsThereFromTheStart) {
  const auto collectable = FreshTelemetry().collectable();
  for (const std::string method : {"MigratePages", "MigrateProcess"}) {
    for (const std::string stop :
         {"COMPLETED", "CANCELLED", "TIME_BUDGET", "PROCESS_EXITED",
          "PERMISSION_LOST", "DESTINATION_FULL", "DRAINING"}) {
      EXPECT_EQ(
          SampleOf(*collectable, "pageferry_migrations_total{method=" + method +
                                     ",mode=ASYNC,stop_reason=" + stop + "}"),
          0);
    }
  }
}

TEST(TelemetryTest, SaysWhatIsRunning) {
  EXPECT_EQ(SampleOf(*FreshTelemetry().collectable(),
                     "pageferry_build_info{version=1.0,revision=abc,"
                     "backend=kernel}"),
            1);
}

TEST(TelemetryTest, CountsEveryRejectionByReason) {
  PrometheusTelemetry telemetry({"1.0", "abc", "kernel"});
  const int last = static_cast<int>(core::RefusalReason::kInternal);
  for (int i = 1; i <= last; ++i) {
    telemetry.OnRequestRejected(static_cast<core::RefusalReason>(i));
  }
  telemetry.OnRequestRejected(core::RefusalReason::kTooManyMigrations);
  const auto collectable = telemetry.collectable();
  EXPECT_EQ(SumOf(*collectable, "pageferry_rejected_requests_total"), last + 1);
  EXPECT_EQ(
      SampleOf(*collectable,
               "pageferry_rejected_requests_total{reason=TOO_MANY_MIGRATIONS}"),
      2);
  EXPECT_EQ(
      SampleOf(*collectable,
               "pageferry_rejected_requests_total{reason=INVALID_REQUEST}"),
      1);
}

TEST(TelemetryTest, CountsCallsAndStalls) {
  PrometheusTelemetry telemetry({"1.0", "abc", "kernel"});
  telemetry.OnKernelCall(Mode::kSyncLight, absl::Milliseconds(3));
  telemetry.OnStreamStall(absl::Milliseconds(250));
  telemetry.OnStreamStall(absl::Milliseconds(500));
  const auto collectable = telemetry.collectable();
  EXPECT_EQ(SampleOf(*collectable,
                     "pageferry_kernel_call_duration_seconds{mode=SYNC_LIGHT}"),
            1);
  EXPECT_DOUBLE_EQ(
      SampleOf(*collectable, "pageferry_stream_stall_seconds_total"), 0.75);
}

TEST(TelemetryTest, NoLabelNamesAProcessAnAddressOrAUser) {
  const std::set<std::string> allowed = {
      "mode",   "method", "stop_reason", "source_node", "destination_node",
      "reason", "kind",   "version",     "revision",    "backend"};
  for (const auto& family : FreshTelemetry().collectable()->Collect()) {
    for (const auto& metric : family.metric) {
      for (const auto& label : metric.label) {
        EXPECT_EQ(allowed.count(label.name), 1u) << label.name;
      }
    }
  }
}

}  // namespace
}  // namespace pageferry::metrics
