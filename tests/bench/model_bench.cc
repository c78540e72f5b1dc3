// Pages a second that the model moves, beside the copying alone.

#include <benchmark/benchmark.h>

#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/migrate_pages.h"
#include "server/core/telemetry.h"
#include "server/model/model_backend.h"

namespace pageferry::model {
namespace {

constexpr uint64_t kPages = 8192;
constexpr uint64_t kFirstPage = 0x10000;
constexpr int kMaxWorkers = 2;

class NobodyLooks final : public core::MigrationObserver {
 public:
  void OnSettled(absl::Span<const core::SettledRun>) override {}
  void OnPassCompleted(const core::PassFigures&) override {}
  void OnProgress(const core::MigrationSummary&) override {}
};

// A machine with a process for each worker, all of it on node 0.
class Ferry {
 public:
  Ferry() {
    std::string scenario = absl::StrCat(
        "nodes { id: 0 capacity_pages: ", 2 * kMaxWorkers * kPages, " }\n",
        "nodes { id: 1 capacity_pages: ", 2 * kMaxWorkers * kPages, " }\n");
    for (int worker = 0; worker < kMaxWorkers; ++worker) {
      absl::StrAppend(
          &scenario, "processes { pid: ", worker + 10,
          " regions { start_address: ", kFirstPage * core::kPageBytes,
          " pages: ", kPages, " placements { node: 0 } } }\n");
    }
    auto created = ModelBackend::Create({scenario, &clock_, &telemetry_});
    if (created.ok()) backend_ = *std::move(created);
  }

  // Moves the worker's pages to `node`; returns how many moved.
  uint64_t Move(int worker, int32_t node, core::Mode mode) {
    core::PageList::Builder builder;
    builder.StartEntry({{core::NodeId(node)}});
    builder.AddRange(core::VirtualAddress::OfPage(kFirstPage), kPages);
    absl::optional<core::PlacementConflict> conflict;
    const core::PageList pages = std::move(builder).Build(&conflict);
    auto target = backend_->OpenProcess(worker + 10, absl::nullopt);
    core::MoveParameters parameters;
    parameters.mode = mode;
    auto mover = (*target)->NewMover(pages, parameters);
    core::MigrationControl control(&clock_, absl::InfiniteDuration());
    NobodyLooks observer;
    return core::MigratePages(pages, core::MigrateOptions(), **mover, control,
                              {}, observer)
        .moved_pages;
  }

 private:
  core::SystemClock clock_;
  core::NullTelemetry telemetry_;
  std::unique_ptr<core::Backend> backend_;
};

// One for all threads of a benchmark.
Ferry& SharedFerry() {
  static Ferry ferry;
  return ferry;
}

// One worker or two, each on a process of its own.
void BM_MovePages(benchmark::State& state) {
  Ferry& ferry = SharedFerry();
  const auto mode = static_cast<core::Mode>(state.range(0));
  uint64_t moved = 0;
  // Wherever the run before has left the pages.
  ferry.Move(state.thread_index(), 0, mode);
  int32_t node = 1;
  for (auto _ : state) {
    moved += ferry.Move(state.thread_index(), node, mode);
    node = 1 - node;
  }
  state.SetItemsProcessed(static_cast<int64_t>(moved));
  state.SetBytesProcessed(static_cast<int64_t>(moved * core::kPageBytes));
}
BENCHMARK(BM_MovePages)
    ->ArgName("mode")
    ->Arg(static_cast<int>(core::Mode::kAsync))
    ->Arg(static_cast<int>(core::Mode::kSync))
    ->Threads(1)
    ->Threads(2)
    ->UseRealTime();

// The same pages, copied and nothing else.
void BM_CopyPages(benchmark::State& state) {
  std::vector<uint8_t> from(kPages * core::kPageBytes, 1);
  std::vector<uint8_t> to(kPages * core::kPageBytes, 2);
  for (auto _ : state) {
    for (uint64_t page = 0; page < kPages; ++page) {
      std::memcpy(to.data() + page * core::kPageBytes,
                  from.data() + page * core::kPageBytes, core::kPageBytes);
    }
    benchmark::ClobberMemory();
    from.swap(to);
  }
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kPages));
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * kPages * core::kPageBytes));
}
BENCHMARK(BM_CopyPages)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace pageferry::model

BENCHMARK_MAIN();
