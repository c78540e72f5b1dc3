// What goes wrong in a scenario, and the threads that run in it.

#include <set>
#include <utility>

#include "server/model/world_builder.h"

namespace pageferry::model {
namespace {

using core::NodeId;

constexpr uint32_t kPerMille = 1000;
constexpr uint32_t kDefaultMaxTries = 5;

PageFaultKind KindOf(int kind) {
  return static_cast<PageFaultKind>(kind - v1::PAGE_FAULT_KIND_LOCK);
}

ProcessEvent::Kind KindOf(v1::ProcessEventKind kind) {
  switch (kind) {
    case v1::PROCESS_EVENT_KIND_EXEC:
      return ProcessEvent::Kind::kExec;
    case v1::PROCESS_EVENT_KIND_LOSE_PERMISSION:
      return ProcessEvent::Kind::kLosePermission;
    case v1::PROCESS_EVENT_KIND_SET_ALLOWED_NODES:
      return ProcessEvent::Kind::kSetAllowedNodes;
    default:
      return ProcessEvent::Kind::kExit;
  }
}

}  // namespace

void WorldBuilder::ScheduleFaults() {
  for (const v1::PageFault& fault : scenario_.proto().page_faults()) {
    PageFault planned;
    planned.kind = KindOf(fault.kind());
    planned.from_try = fault.from_try();
    if (fault.has_tries()) planned.tries = fault.tries();
    if (fault.has_until_ms()) {
      planned.until = absl::Milliseconds(fault.until_ms());
    }
    ModelProcess& process = *world_->processes_.at(fault.pid());
    const uint64_t first = fault.address() / core::kPageBytes;
    for (uint64_t i = 0; i < std::max<uint64_t>(fault.pages(), 1); ++i) {
      world_->faults_.Add(process, first + i, planned);
    }
  }
  for (const v1::RandomPageFaults& faults :
       scenario_.proto().random_page_faults()) {
    ScheduleRandomFaults(faults);
  }
  ScheduleEvents();
}

void WorldBuilder::ScheduleRandomFaults(const v1::RandomPageFaults& faults) {
  ModelProcess& process = *world_->processes_.at(faults.pid());
  const uint32_t max_tries =
      faults.max_tries() > 0 ? faults.max_tries() : kDefaultMaxTries;
  std::vector<uint64_t> chosen;
  process.space().ForEachVma([&](Vma& vma) {
    ForEachEntry(vma, [&](uint64_t page_number) {
      if (random_() % kPerMille < faults.per_mille()) {
        chosen.push_back(page_number);
      }
    });
  });
  for (uint64_t page_number : chosen) {
    PageFault planned;
    planned.kind =
        KindOf(faults.kinds(static_cast<int>(random_() % faults.kinds_size())));
    planned.from_try =
        static_cast<uint32_t>(random_() % (faults.max_from_try() + 1));
    planned.tries = static_cast<uint32_t>(random_() % max_tries) + 1;
    world_->faults_.Add(process, page_number, planned);
  }
}

void WorldBuilder::ScheduleEvents() {
  for (const v1::ProcessEvent& event : scenario_.proto().process_events()) {
    ProcessEvent planned;
    planned.kind = KindOf(event.kind());
    planned.batch = event.batch();
    for (int32_t node : event.allowed_nodes()) {
      planned.nodes.insert(NodeId(node));
    }
    world_->faults_.Add(*world_->processes_.at(event.pid()), planned);
  }
  for (const v1::FillEvent& event : scenario_.proto().fill_events()) {
    world_->faults_.Add(FillEvent{NodeId(event.node()), event.batch(),
                                  event.leave_free_pages()});
  }
}

void WorldBuilder::StartThreads() {
  for (const v1::Process& process : scenario_.proto().processes()) {
    AddressSpace& space = world_->processes_.at(process.pid())->space();
    for (const v1::Threads& threads : process.threads()) {
      const v1::Region& region = process.regions(threads.region());
      WorkerThreads::Work work;
      work.space = &space;
      work.range = {core::VirtualAddress(region.start_address()),
                    region.pages()};
      work.read_only = threads.read_only();
      work.pause = absl::Milliseconds(threads.pause_ms());
      for (uint32_t i = 0; i < threads.count(); ++i) {
        world_->threads_.Start(work);
      }
    }
  }
}

}  // namespace pageferry::model
