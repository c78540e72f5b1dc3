#include "tests/server/model/model_test_support.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/reasons.h"
#include "server/model/look.h"

namespace pageferry::model {
namespace {

class Recorder final : public core::MigrationObserver {
 public:
  Recorder(Observed* observed, const std::function<void()>* after_pass)
      : observed_(*observed), after_pass_(*after_pass) {}

  void OnSettled(absl::Span<const core::SettledRun> runs) override {
    for (const core::SettledRun& run : runs) {
      observed_.events.push_back(absl::StrCat(
          run.run.start.page_number(), "+", run.run.pages, " ",
          core::OutcomeName(run.outcome), " ", core::ReasonName(run.reason),
          " ", run.source.value(), "->", run.node.value(), " x", run.passes,
          " f", run.folio_pages));
      for (uint64_t i = 0; i < run.run.pages; ++i) {
        const uint64_t number = run.run.start.page_number() + i;
        if (!observed_.pages.emplace(number, run).second) {
          ++observed_.repeated_pages;
        }
      }
    }
  }

  void OnPassCompleted(const core::PassFigures& pass) override {
    observed_.passes.push_back(pass);
    observed_.events.push_back(
        absl::StrCat("pass ", pass.pass, pass.forced ? " forced" : "",
                     " moved ", pass.moved_pages, " again ", pass.retry_pages,
                     " failed ", pass.failed_pages));
    after_pass_();
  }

  void OnProgress(const core::MigrationSummary&) override {}

 private:
  Observed& observed_;
  const std::function<void()>& after_pass_;
};

}  // namespace

TestModel::TestModel(absl::string_view scenario, core::Clock* real_clock)
    : clock(real_clock != nullptr ? real_clock : &fake_clock) {
  auto created = ModelBackend::CreateModel({scenario, clock, &telemetry});
  if (!created.ok()) {
    std::cerr << "bad scenario:\n" << created.status() << "\n" << scenario;
    std::abort();
  }
  backend = *std::move(created);
}

core::PageRun Pages(uint64_t page_number, uint64_t pages) {
  return {core::VirtualAddress::OfPage(page_number), pages};
}

Request Move(std::vector<core::PageRun> runs, core::Mode mode) {
  Request request;
  request.runs = std::move(runs);
  request.parameters.mode = mode;
  request.options.initial_backoff = absl::ZeroDuration();
  return request;
}

Observed Migrate(TestModel& model, const Request& request,
                 core::MigrationControl* control) {
  core::PageList::Builder builder;
  core::Placement placement;
  for (int32_t node : request.nodes) placement.nodes.emplace_back(node);
  builder.StartEntry(placement);
  for (const core::PageRun& run : request.runs) {
    builder.AddRange(run.start, run.pages);
  }
  if (!request.other_runs.empty()) {
    builder.StartEntry({{core::NodeId(request.other_node)}});
    for (const core::PageRun& run : request.other_runs) {
      builder.AddRange(run.start, run.pages);
    }
  }
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);

  core::MigrationControl own_control(model.clock, absl::InfiniteDuration());
  if (control == nullptr) control = &own_control;
  Observed observed;
  Recorder recorder(&observed, &request.after_pass);
  auto target = model.backend->OpenProcess(request.pid, absl::nullopt);
  if (!target.ok()) std::abort();
  {
    auto mover = (*target)->NewMover(pages, request.parameters);
    if (!mover.ok()) std::abort();
    core::MigrateOptions options = request.options;
    options.validate_only = request.parameters.validate_only;
    observed.summary =
        core::MigratePages(pages, options, **mover, *control, {}, recorder);
  }
  return observed;
}

core::NodeId NodeOf(TestModel& model, uint64_t page_number, int32_t pid) {
  return LocatePage(model.space(pid), page_number).node;
}

std::map<uint64_t, uint64_t> ContentOf(World& world, int32_t pid) {
  std::map<uint64_t, uint64_t> content;
  AddressSpace& space = world.processes().at(pid)->space();
  space.ForEachVma([&](Vma& vma) {
    ForEachEntry(vma, [&](uint64_t first) {
      const EntrySlot slot = space.page_table().Find(first);
      if (!slot.Read().maps_page()) return;
      const uint8_t* const frame =
          world.machine().memory.PageOf(slot.Read().pfn()).frame;
      const uint32_t pages = slot.huge ? core::kHugePagePages : 1;
      for (uint32_t page = 0; page < pages; ++page) {
        uint64_t hash = 0;
        for (uint64_t at = 0; at < core::kPageBytes; at += 8) {
          hash = hash * 31 + LoadWord(frame, page * core::kPageBytes + at);
        }
        content[first + page] = hash;
      }
    });
  });
  return content;
}

}  // namespace pageferry::model
