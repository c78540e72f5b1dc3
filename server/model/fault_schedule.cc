#include "server/model/fault_schedule.h"

#include <algorithm>

namespace pageferry::model {

FaultSchedule::FaultSchedule(Machine* machine)
    : machine_(*machine),
      filler_(std::make_shared<Mapping>(MappingOperations())) {}

FaultSchedule::~FaultSchedule() { EndAllHolds(); }

void FaultSchedule::Add(ModelProcess& process, uint64_t page_number,
                        const PageFault& fault) {
  core::MutexLock lock(&mutex_);
  FaultyPage& page = processes_[process.id().pid].pages[page_number];
  page.process = &process;
  page.page_number = page_number;
  page.faults.emplace_back();
  page.faults.back().fault = fault;
}

void FaultSchedule::Add(ModelProcess& process, const ProcessEvent& event) {
  core::MutexLock lock(&mutex_);
  processes_[process.id().pid].events.push_back(event);
}

void FaultSchedule::Add(const FillEvent& event) {
  core::MutexLock lock(&mutex_);
  fills_.push_back(event);
}

void FaultSchedule::Start() {
  core::MutexLock lock(&mutex_);
  started_at_ = machine_.clock->Monotonic();
  for (auto& [pid, faults] : processes_) {
    for (auto& [page_number, page] : faults.pages) {
      for (ActiveFault& fault : page.faults) {
        if (fault.fault.from_try == 0 && IsHold(fault.fault.kind)) {
          Begin(page, fault, nullptr);
        }
      }
    }
  }
}

void FaultSchedule::Begin(FaultyPage& page, ActiveFault& fault,
                          Page* isolated) {
  fault.begun = true;
  AddressSpace& space = page.process->space();
  if (!IsHold(fault.fault.kind)) {
    if (isolated == nullptr) {
      fault.begun = false;  // it waits for a try that has the page
      return;
    }
    HappenTo(fault.fault.kind, machine_, space, page.page_number, *isolated);
    return;
  }
  fault.hold = PageHold::Create(fault.fault.kind, machine_, space,
                                page.page_number, isolated);
  if (fault.hold == nullptr) return;
  if (std::find(held_pages_.begin(), held_pages_.end(), &page) ==
      held_pages_.end()) {
    held_pages_.push_back(&page);
  }
}

void FaultSchedule::EndDue(FaultyPage& page) {
  const absl::Duration now = machine_.clock->Monotonic() - started_at_;
  for (ActiveFault& active : page.faults) {
    if (active.hold == nullptr) continue;
    const PageFault& fault = active.fault;
    const bool tries_over =
        fault.tries.has_value() &&
        page.tries + active.slices_waited > fault.from_try + *fault.tries;
    const bool time_over = fault.until.has_value() && now >= *fault.until;
    if (tries_over || time_over) active.hold.reset();
  }
}

void FaultSchedule::BeforeBatch(ModelProcess& process) {
  std::vector<ProcessEvent> due;
  {
    core::MutexLock lock(&mutex_);
    for (const FillEvent& fill : fills_) {
      if (fill.batch == batches_) Fill(fill);
    }
    ++batches_;
    const auto found = processes_.find(process.id().pid);
    if (found == processes_.end()) return;
    for (const ProcessEvent& event : found->second.events) {
      if (event.batch == found->second.batches) due.push_back(event);
    }
    ++found->second.batches;
  }
  for (const ProcessEvent& event : due) {
    switch (event.kind) {
      case ProcessEvent::Kind::kExit:
        process.Exit();
        break;
      case ProcessEvent::Kind::kExec:
        process.Exec();
        break;
      case ProcessEvent::Kind::kLosePermission:
        process.RevokePermission();
        break;
      case ProcessEvent::Kind::kSetAllowedNodes:
        process.SetAllowedNodes(event.nodes);
        break;
    }
  }
}

// As the page cache of a file that somebody reads.
void FaultSchedule::Fill(const FillEvent& event) {
  FrameArena* const arena = machine_.memory.arena(event.node);
  while (arena->free_pages() > event.leave_free_pages) {
    Page* const page = machine_.memory.Allocate(event.node, 1);
    if (page == nullptr) return;
    page->mapping = filler_;
    page->index = filler_pages_;
    page->Set(PageFlag::kUptodate);
    page->Set(PageFlag::kLru);
    filler_->Insert(filler_pages_++, *page);
    machine_.memory.Put(*page);
  }
}

void FaultSchedule::BeforeTry(ModelProcess& process, uint64_t page_number,
                              Page* page) {
  Poll();
  core::MutexLock lock(&mutex_);
  const auto found = processes_.find(process.id().pid);
  if (found == processes_.end()) return;
  const auto faulty = found->second.pages.find(page_number);
  if (faulty == found->second.pages.end()) return;
  FaultyPage& faulty_page = faulty->second;
  ++faulty_page.tries;
  EndDue(faulty_page);
  for (ActiveFault& fault : faulty_page.faults) {
    if (!fault.begun && fault.fault.from_try < faulty_page.tries) {
      Begin(faulty_page, fault, page);
    }
  }
}

void FaultSchedule::Poll() {
  core::MutexLock lock(&mutex_);
  for (FaultyPage* const page : held_pages_) EndDue(*page);
  held_pages_.erase(std::remove_if(held_pages_.begin(), held_pages_.end(),
                                   [](const FaultyPage* page) {
                                     return std::all_of(
                                         page->faults.begin(),
                                         page->faults.end(),
                                         [](const ActiveFault& fault) {
                                           return fault.hold == nullptr;
                                         });
                                   }),
                    held_pages_.end());
}

void FaultSchedule::OnWait() {
  {
    core::MutexLock lock(&mutex_);
    for (FaultyPage* const page : held_pages_) {
      for (ActiveFault& fault : page->faults) {
        if (fault.hold != nullptr) ++fault.slices_waited;
      }
    }
  }
  Poll();
}

void FaultSchedule::EndAllHolds() {
  core::MutexLock lock(&mutex_);
  for (FaultyPage* const page : held_pages_) {
    for (ActiveFault& fault : page->faults) fault.hold.reset();
  }
  held_pages_.clear();
}

void FaultSchedule::ForEachHold(
    absl::FunctionRef<void(const PageHold&)> visit) {
  core::MutexLock lock(&mutex_);
  for (const FaultyPage* const page : held_pages_) {
    for (const ActiveFault& fault : page->faults) {
      if (fault.hold != nullptr) visit(*fault.hold);
    }
  }
}

}  // namespace pageferry::model
