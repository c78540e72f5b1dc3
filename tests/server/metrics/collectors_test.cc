#include "server/metrics/collectors.h"

#include <gtest/gtest.h>

#include <utility>

#include "server/metrics/metrics_server.h"
#include "server/metrics/telemetry.h"
#include "tests/server/metrics/samples.h"

namespace pageferry::metrics {
namespace {

using core::Mode;
using core::NodeId;

// A backend that only describes the machine.
class DescribedBackend final : public core::Backend {
 public:
  absl::string_view name() const override { return "described"; }
  core::Fidelity WeakestFidelity(const core::MoveParameters&) const override {
    return core::Fidelity::kScreened;
  }
  absl::Duration default_initial_backoff() const override {
    return absl::ZeroDuration();
  }
  std::vector<NodeId> MemoryNodes() const override { return {}; }
  absl::StatusOr<core::Topology> ReadTopology() const override {
    return topology;
  }
  core::Capabilities ReadCapabilities() const override { return capabilities; }
  absl::StatusOr<std::unique_ptr<core::TargetProcess>> OpenProcess(
      int32_t, absl::optional<uint64_t>) override {
    return absl::UnimplementedError("describes only");
  }
  absl::StatusOr<std::vector<core::ProcessId>> ListCgroup(
      const std::string&) override {
    return absl::UnimplementedError("describes only");
  }
  core::KernelEvents ReadKernelEvents() const override {
    return {{"pgmigrate_success", 12}};
  }

  absl::StatusOr<core::Topology> topology = core::Topology();
  core::Capabilities capabilities;
};

TEST(RegistryCollectorTest, CountsWhatWaitsAndWhatRuns) {
  core::SystemClock clock;
  core::MigrationRegistry registry({}, &clock);
  const RegistryCollector collector(&registry);
  EXPECT_EQ(SampleOf(collector, "pageferry_migrations_queued{mode=SYNC}"), 0);
  core::MigrationRequest request;
  request.mode = Mode::kSync;
  ASSERT_TRUE(registry.Admit(request).ok());
  ASSERT_TRUE(registry.Admit(request).ok());
  const auto running = registry.NextToRun();
  EXPECT_EQ(SampleOf(collector, "pageferry_migrations_queued{mode=SYNC}"), 1);
  EXPECT_EQ(SampleOf(collector, "pageferry_migrations_in_flight{mode=SYNC}"),
            1);
  EXPECT_EQ(SampleOf(collector, "pageferry_migrations_in_flight{mode=ASYNC}"),
            0);
}

TEST(RegistryCollectorTest, TellsOfADrain) {
  core::SystemClock clock;
  core::MigrationRegistry registry({}, &clock);
  const RegistryCollector collector(&registry);
  EXPECT_EQ(SampleOf(collector, "pageferry_draining"), 0);
  registry.BeginDrain();
  EXPECT_EQ(SampleOf(collector, "pageferry_draining"), 1);
}

TEST(BackendCollectorTest, TellsOfNodes) {
  core::Node near;
  near.id = NodeId(0);
  near.has_memory = true;
  near.memory = {400, 300, 20, 10};
  near.tier = 4;
  near.distances = {{NodeId(0), 10}, {NodeId(1), 21}};
  core::Node bare;
  bare.id = NodeId(1);
  DescribedBackend backend;
  backend.topology = core::Topology{{near, bare}};
  const BackendCollector collector(&backend);
  EXPECT_EQ(
      SampleOf(collector, "pageferry_node_memory_bytes{node=0,kind=total}"),
      400);
  EXPECT_EQ(
      SampleOf(collector, "pageferry_node_memory_bytes{node=0,kind=free}"),
      300);
  EXPECT_EQ(
      SampleOf(collector, "pageferry_node_memory_bytes{node=0,kind=file}"), 20);
  EXPECT_EQ(
      SampleOf(collector, "pageferry_node_memory_bytes{node=0,kind=anonymous}"),
      10);
  EXPECT_EQ(SampleOf(collector, "pageferry_node_tier{node=0}"), 4);
  EXPECT_EQ(SampleOf(collector, "pageferry_node_distance{node=0,to_node=1}"),
            21);
  EXPECT_FALSE(HasSample(collector, "pageferry_node_tier{node=1}"));
  EXPECT_FALSE(
      HasSample(collector, "pageferry_node_memory_bytes{node=1,kind=total}"));
}

TEST(BackendCollectorTest, TellsOfCapabilities) {
  DescribedBackend backend;
  backend.capabilities.ready = true;
  backend.capabilities.privileges = {{"CAP_SYS_NICE", true, ""},
                                     {"CAP_SYS_ADMIN", false, "no states"}};
  const BackendCollector collector(&backend);
  EXPECT_EQ(SampleOf(collector, "pageferry_capability{name=ready}"), 1);
  EXPECT_EQ(SampleOf(collector, "pageferry_capability{name=CAP_SYS_NICE}"), 1);
  EXPECT_EQ(SampleOf(collector, "pageferry_capability{name=CAP_SYS_ADMIN}"), 0);
}

TEST(BackendCollectorTest, TellsOfTheKernelsOwnCounters) {
  DescribedBackend backend;
  const BackendCollector collector(&backend);
  EXPECT_EQ(SampleOf(collector,
                     "pageferry_kernel_events_total{event=pgmigrate_success}"),
            12);
}

TEST(BackendCollectorTest, AMachineThatCannotBeReadStillHasTheRest) {
  DescribedBackend backend;
  backend.topology = absl::InternalError("no /sys");
  const BackendCollector collector(&backend);
  EXPECT_EQ(collector.Collect().size(), 2u);
}

TEST(ProcCollectorTest, TellsOfThisProcess) {
  const ProcCollector collector("/proc");
  EXPECT_GT(SampleOf(collector, "process_start_time_seconds"), 1e9);
  EXPECT_GT(SampleOf(collector, "process_resident_memory_bytes"), 0);
  EXPECT_GT(SampleOf(collector, "process_virtual_memory_bytes"), 0);
  EXPECT_GT(SampleOf(collector, "process_open_fds"), 2);
  EXPECT_GT(SampleOf(collector, "process_max_fds"), 2);
  EXPECT_GE(SampleOf(collector, "process_cpu_seconds_total"), 0);
}

TEST(ProcCollectorTest, AMissingFolderGivesNothing) {
  EXPECT_TRUE(ProcCollector("does-not-exist").Collect().empty());
}

}  // namespace
}  // namespace pageferry::metrics
