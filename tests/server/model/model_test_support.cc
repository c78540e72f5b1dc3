#include "tests/server/model/model_test_support.h"

#include <cstdlib>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/reasons.h"
#include "server/model/look.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

class Recorder final : public core::MigrationObserver {
 public:
  explicit Recorder(Observed* observed) : observed_(*observed) {}

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
  }

  void OnProgress(const core::MigrationSummary&) override {}

 private:
  Observed& observed_;
};

// What page tables, caches and balloons say of one page.
struct Owners {
  int32_t mappings = 0;
  int32_t references = 0;
};

class Books {
 public:
  explicit Books(World& world) : world_(world), machine_(world.machine()) {}

  std::vector<std::string> Check() {
    for (const auto& [pid, process] : world_.processes()) {
      process->space().ForEachVma([&](Vma& vma) { CountVma(vma); });
    }
    machine_.memory.ForEachUsedFrame([&](Page& page) { CheckFrame(page); });
    for (const auto& [page, owners] : owners_) {
      if (page->references() == 0) {
        Complain(*page, "has owners and is free");
      }
    }
    return std::move(broken_);
  }

 private:
  void Complain(const Page& page, absl::string_view what) {
    broken_.push_back(absl::StrCat("frame ", page.pfn.value(), " with flags ",
                                   absl::Hex(page.flags.load()), ": ", what));
  }

  void CountVma(Vma& vma) {
    if (vma.kind == VmaKind::kBalloon || vma.kind == VmaKind::kDevice) return;
    ForEachEntry(vma, [&](uint64_t number) {
      const Entry entry = vma.space->page_table().Find(number).Read();
      if (entry.Has(Entry::kMigration) || entry.Has(Entry::kFlushing)) {
        broken_.push_back(
            absl::StrCat("page ", number, ": migration entry left behind"));
      }
      if (entry.in_access()) {
        broken_.push_back(
            absl::StrCat("page ", number, ": access left behind"));
      }
      if (!entry.maps_page()) return;
      Page& page = machine_.memory.PageOf(entry.pfn());
      ++owners_[&page].mappings;
      ++owners_[&page].references;
      bool found = false;
      rmap_walk(page, [&](Vma& mapper, uint64_t page_number) {
        found = found || (&mapper == &vma && page_number == number);
        return !found;
      });
      if (!found) Complain(page, "is mapped where its reverse map is not");
    });
  }

  void CheckFrame(Page& page) {
    Page* const head = page.head.load();
    if (head != &page) return;  // part of a huge page
    Owners owners = owners_[&page];
    Mapping* const mapping = page_mapping(machine_, page);
    if (mapping != nullptr) {
      const bool cached = page.Has(PageFlag::kSwapCache);
      if (mapping->Holds(cached ? page.swap_slot : page.index, page)) {
        ++owners.references;
      } else {
        Complain(page, "is not in the slot that it says");
      }
    }
    if (page.Has(PageFlag::kPrivate)) ++owners.references;
    if (page.Has(PageFlag::kBalloon)) ++owners.references;
    if (owners.references == 0) Complain(page, "is not free and nobody's");
    if (page.references() != owners.references) {
      Complain(page, absl::StrCat("has ", page.references(), " references, ",
                                  owners.references, " are accounted for"));
    }
    if (page.map_count.load() != owners.mappings) {
      Complain(page, absl::StrCat("has map count ", page.map_count.load(),
                                  " and ", owners.mappings, " mappings"));
    }
    if (page.Has(PageFlag::kLocked)) Complain(page, "is locked");
    if (page.Has(PageFlag::kIsolated)) Complain(page, "is isolated");
    if (!page.Has(PageFlag::kLru) && !page.Has(PageFlag::kBalloon)) {
      Complain(page, "is on no list");
    }
  }

  World& world_;
  Machine& machine_;
  std::map<const Page*, Owners> owners_;
  std::vector<std::string> broken_;
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
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);

  core::MigrationControl own_control(model.clock, absl::InfiniteDuration());
  if (control == nullptr) control = &own_control;
  Observed observed;
  Recorder recorder(&observed);
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

std::vector<std::string> BrokenInvariants(World& world) {
  return Books(world).Check();
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
