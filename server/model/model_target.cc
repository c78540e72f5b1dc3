#include "server/model/model_target.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "server/model/look.h"

namespace pageferry::model {
namespace {

using core::LocatedRun;
using core::RefusalReason;

constexpr size_t kRunsPerSink = 4096;

// Merges located pages into runs and hands them on in portions.
class RunCollector {
 public:
  explicit RunCollector(const core::LocationSink* sink) : sink_(*sink) {}

  // False: the sink wants no more.
  bool Add(const LocatedRun& page) {
    if (!runs_.empty() && Continues(runs_.back(), page)) {
      runs_.back().run.pages += page.run.pages;
      return true;
    }
    if (runs_.size() == kRunsPerSink && !Flush()) return false;
    runs_.push_back(page);
    return true;
  }

  bool Flush() {
    if (runs_.empty()) return true;
    const std::vector<LocatedRun> full = std::exchange(runs_, {});
    return sink_(full);
  }

 private:
  static bool Continues(const LocatedRun& run, const LocatedRun& page) {
    return run.run.end() == page.run.start && run.resident == page.resident &&
           run.node == page.node && run.reason == page.reason &&
           run.folio_pages == page.folio_pages && run.states == page.states;
  }

  const core::LocationSink& sink_;
  std::vector<LocatedRun> runs_;
};

}  // namespace

ModelTarget::ModelTarget(World* world, core::Telemetry* telemetry,
                         std::shared_ptr<ModelProcess> process)
    : world_(*world),
      telemetry_(telemetry),
      process_(std::move(process)),
      generation_(process_->generation()) {}

// That it is still the process, and that we may look into it.
absl::Status ModelTarget::CheckAccess() const {
  if (process_->generation() != generation_) {
    return core::Refuse(
        RefusalReason::kProcessNotFound,
        absl::StrCat("process ", process_->id().pid,
                     " has exited or runs another program; resolve the target "
                     "again"));
  }
  if (process_->permitted()) return absl::OkStatus();
  core::Refusal refusal;
  refusal.reason = RefusalReason::kKernelRefuses;
  refusal.message =
      absl::StrCat("the service may not look at or move the pages of process ",
                   process_->id().pid);
  refusal.missing = "CAP_SYS_PTRACE";
  return core::ToStatus(refusal);
}

// Not OnWait(): a look is nobody's wait, and uses up none of a fault's tries.
void ModelTarget::LetTimePass() {
  Machine& machine = world_.machine();
  machine.storage.Poll(machine.clock->Monotonic());
  world_.faults().Poll();
}

absl::Status ModelTarget::Locate(absl::Span<const core::PageRun> runs,
                                 const core::LocationSink& sink) {
  LetTimePass();
  RunCollector collector(&sink);
  for (const core::PageRun& run : runs) {
    const absl::Status status = CheckAccess();
    if (!status.ok()) return status;
    for (uint64_t i = 0; i < run.pages; ++i) {
      const uint64_t number = run.start.page_number() + i;
      if (!collector.Add(LocatePage(process_->space(), number))) {
        return absl::OkStatus();
      }
    }
  }
  collector.Flush();
  return CheckAccess();
}

absl::Status ModelTarget::LocateResident(core::VirtualAddress start,
                                         core::HiddenPages hidden,
                                         const core::LocationSink& sink) {
  const absl::Status status = CheckAccess();
  if (!status.ok()) return status;
  LetTimePass();
  std::vector<core::PageRun> mapped;
  process_->space().ForEachVma([&](Vma& vma) {
    const uint64_t first = std::max(vma.start_page, start.page_number());
    if (first >= vma.end_page) return;
    mapped.push_back(
        {core::VirtualAddress::OfPage(first), vma.end_page - first});
  });
  RunCollector collector(&sink);
  for (const core::PageRun& run : mapped) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      const uint64_t number = run.start.page_number() + i;
      LocatedRun page = LocatePage(process_->space(), number);
      if (hidden == core::HiddenPages::kTouch &&
          page.reason == core::Reason::kNumaHint &&
          !page.states.Has(core::PageState::kShared)) {
        process_->space().ClearNumaHint(number);
        page = LocatePage(process_->space(), number);
      }
      if (page.resident && !collector.Add(page)) return absl::OkStatus();
    }
  }
  collector.Flush();
  return CheckAccess();
}

absl::StatusOr<std::unique_ptr<core::BatchMover>> ModelTarget::NewMover(
    const core::PageList& pages, const core::MoveParameters& parameters) {
  const absl::Status status = CheckAccess();
  if (!status.ok()) return status;
  for (const core::Placement& placement : pages.placements()) {
    for (core::NodeId node : placement.nodes) {
      if (process_->Allows(node)) continue;
      return core::Refuse(
          RefusalReason::kNodeNotAllowed,
          absl::StrCat("node ", node.value(),
                       " is outside the cpuset of process ", process_->id().pid,
                       "; choose another node"));
    }
  }
  const ModelMover::World world{&world_.machine(), &world_.faults(),
                                telemetry_};
  return std::make_unique<ModelMover>(world, process_, generation_, &pages,
                                      parameters);
}

}  // namespace pageferry::model
