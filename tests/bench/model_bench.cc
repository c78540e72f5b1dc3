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
    backend_ =
        ModelBackend::CreateModel({scenario, &clock_, &telemetry_}).value();
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

  // The frames that the worker's pages are in.
  std::vector<Page*> Frames(int worker) {
    const PageTable& table =
        backend_->world().processes().at(worker + 10)->space().page_table();
    std::vector<Page*> frames;
    for (uint64_t page = 0; page < kPages; ++page) {
      const Entry entry = table.Find(kFirstPage + page).Read();
      frames.push_back(&memory().PageOf(entry.pfn()));
    }
    return frames;
  }

  Memory& memory() { return backend_->world().machine().memory; }

 private:
  core::SystemClock clock_;
  core::NullTelemetry telemetry_;
  std::unique_ptr<ModelBackend> backend_;
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
  if (moved != state.iterations() * kPages) {
    state.SkipWithError("not all pages have moved");
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

// The same frames, copied to as many of the other node and nothing else.
void BM_CopyPages(benchmark::State& state) {
  Ferry& ferry = SharedFerry();
  ferry.Move(state.thread_index(), 0, core::Mode::kAsync);
  const std::vector<Page*> from = ferry.Frames(state.thread_index());
  std::vector<Page*> to;
  for (uint64_t page = 0; page < kPages; ++page) {
    to.push_back(ferry.memory().Allocate(core::NodeId(1), 1));
  }
  for (auto _ : state) {
    for (uint64_t page = 0; page < kPages; ++page) {
      std::memcpy(to[page]->frame, from[page]->frame, core::kPageBytes);
    }
    benchmark::ClobberMemory();
  }
  for (Page* page : to) ferry.memory().Put(*page);
  state.SetItemsProcessed(static_cast<int64_t>(state.iterations() * kPages));
  state.SetBytesProcessed(
      static_cast<int64_t>(state.iterations() * kPages * core::kPageBytes));
}
BENCHMARK(BM_CopyPages)->Threads(1)->Threads(2)->UseRealTime();

}  // namespace
}  // namespace pageferry::model

BENCHMARK_MAIN();
