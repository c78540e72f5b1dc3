// What counting costs a migration, and what a scrape costs.

#include <benchmark/benchmark.h>
#include <prometheus/text_serializer.h>

#include <memory>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/migrate_pages.h"
#include "server/metrics/call_metrics.h"
#include "server/metrics/collectors.h"
#include "server/metrics/telemetry.h"
#include "server/model/model_backend.h"
#include "server/service/call_interceptor.h"

namespace pageferry {
namespace {

constexpr uint64_t kPages = 8192;
constexpr uint64_t kFirstPage = 0x10000;
constexpr int kNodes = 8;

// Tells a meter, as the service does: once a batch.
class CountingObserver final : public core::MigrationObserver {
 public:
  explicit CountingObserver(core::MigrationMeter* meter) : meter_(meter) {}
  void OnSettled(absl::Span<const core::SettledRun>) override {}
  void OnPassCompleted(const core::PassFigures&) override {}
  void OnProgress(const core::MigrationSummary& so_far) override {
    meter_->Update(so_far);
  }

 private:
  core::MigrationMeter* const meter_;
};

std::string Scenario() {
  std::string scenario;
  for (int node = 0; node < kNodes; ++node) {
    absl::StrAppend(&scenario, "nodes { id: ", node,
                    " tier: 4 capacity_pages: ", 2 * kPages, " }\n");
  }
  return absl::StrCat(scenario, "processes { pid: 10 regions { start_address: ",
                      kFirstPage * core::kPageBytes, " pages: ", kPages,
                      " placements { node: 0 } } }\n");
}

// 0: nobody counts; 1: Prometheus' counters.
void BM_Migrate(benchmark::State& state) {
  core::SystemClock clock;
  core::NullTelemetry nobody;
  metrics::PrometheusTelemetry prometheus({"1", "r", "model"});
  core::Telemetry& telemetry =
      state.range(0) == 0 ? static_cast<core::Telemetry&>(nobody) : prometheus;
  auto backend = *model::ModelBackend::Create({Scenario(), &clock, &telemetry});
  prometheus.AddNodes(backend->MemoryNodes());
  int32_t node = 1;
  uint64_t moved = 0;
  for (auto _ : state) {
    core::PageList::Builder builder;
    builder.StartEntry({{core::NodeId(node)}});
    builder.AddRange(core::VirtualAddress::OfPage(kFirstPage), kPages);
    absl::optional<core::PlacementConflict> conflict;
    const core::PageList pages = std::move(builder).Build(&conflict);
    auto target = backend->OpenProcess(10, absl::nullopt);
    core::MoveParameters parameters;
    parameters.mode = core::Mode::kAsync;
    auto mover = (*target)->NewMover(pages, parameters);
    core::MigrationControl control(&clock, absl::InfiniteDuration());
    auto meter = telemetry.StartMigration(core::Method::kMigratePages,
                                          parameters.mode, false);
    CountingObserver observer(meter.get());
    const core::MigrationSummary summary = core::MigratePages(
        pages, core::MigrateOptions(), **mover, control, {}, observer);
    meter->End(summary);
    moved += summary.moved_pages;
    node = 1 - node;
  }
  state.SetItemsProcessed(static_cast<int64_t>(moved));
}
BENCHMARK(BM_Migrate)->ArgName("counted")->Arg(0)->Arg(1)->UseRealTime();

// All that a daemon serves on a machine with eight nodes.
void BM_Scrape(benchmark::State& state) {
  core::SystemClock clock;
  metrics::PrometheusTelemetry telemetry({"1", "r", "model"});
  metrics::CallMetrics calls(service::ServedMethods(), &clock);
  auto backend = *model::ModelBackend::Create({Scenario(), &clock, &telemetry});
  telemetry.AddNodes(backend->MemoryNodes());
  core::MigrationRegistry registry({}, &clock);
  const std::vector<std::shared_ptr<prometheus::Collectable>> sources = {
      telemetry.collectable(), calls.collectable(),
      std::make_shared<metrics::RegistryCollector>(&registry),
      std::make_shared<metrics::BackendCollector>(backend.get()),
      std::make_shared<metrics::ProcCollector>("/proc")};
  const prometheus::TextSerializer serializer;
  size_t series = 0;
  size_t bytes = 0;
  for (auto _ : state) {
    series = bytes = 0;
    for (const auto& source : sources) {
      const std::vector<prometheus::MetricFamily> families = source->Collect();
      for (const auto& family : families) series += family.metric.size();
      std::ostringstream text;
      serializer.Serialize(text, families);
      bytes += text.str().size();
    }
  }
  state.counters["metrics"] = static_cast<double>(series);
  state.counters["bytes"] = static_cast<double>(bytes);
}
BENCHMARK(BM_Scrape)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace pageferry

BENCHMARK_MAIN();
