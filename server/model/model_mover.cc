#include "server/model/model_mover.h"

#include <algorithm>
#include <utility>

#include "server/model/pages_on_node.h"

namespace pageferry::model {
namespace {

using core::Answer;
using core::PageAttempt;
using core::Reason;
using core::StopReason;

// Few enough that cancel and results are prompt, many enough that the cost of a
// batch vanishes.
constexpr uint32_t kBatchPages = 512;

void Answered(PageAttempt& attempt, Answer answer,
              Reason reason = Reason::kNone) {
  attempt.answer = answer;
  attempt.reason = reason;
}

}  // namespace

ModelMover::ModelMover(const World& world,
                       std::shared_ptr<ModelProcess> process,
                       uint64_t generation, const core::PageList* pages,
                       const core::MoveParameters& parameters)
    : world_(world),
      process_(std::move(process)),
      generation_(generation),
      pages_(*pages),
      parameters_(parameters) {}

ModelMover::~ModelMover() {
  Machine& machine = *world_.machine;
  for (const auto& [page_number, page] : isolated_) {
    if (retrying_.contains(page_number)) CountLeftover(page->folio_pages());
    putback_page(machine, *page->head.load(std::memory_order_acquire));
  }
  if (succeeded_ + failed_ == 0) return;
  machine.vmstat.pgmigrate_success.fetch_add(succeeded_);
  machine.vmstat.pgmigrate_fail.fetch_add(failed_);
  machine.trace.Add({succeeded_, failed_, parameters_.mode});
}

// Linux 4.0 forgets pages that still said "again" after their last try.
void ModelMover::CountLeftover(uint32_t pages) {
  if (!world_.machine->traits.linux_4_0_quirks) failed_ += pages;
}

uint32_t ModelMover::preferred_batch_pages() const { return kBatchPages; }

StopReason ModelMover::ProcessStop() const {
  if (process_->generation() != generation_) return StopReason::kProcessExited;
  if (!process_->permitted()) return StopReason::kPermissionLost;
  return StopReason::kNone;
}

StopReason ModelMover::TryBatch(const core::Batch& batch,
                                const core::MigrationControl& control) {
  Machine& machine = *world_.machine;
  machine.storage.Poll(machine.clock->Monotonic());
  if (world_.faults != nullptr && !parameters_.validate_only) {
    world_.faults->BeforeBatch(*process_);
  }
  const StopReason stop = ProcessStop();
  if (stop != StopReason::kNone) return stop;

  const absl::Duration began = machine.clock->Monotonic();
  BatchState state{batch,
                   {machine, parameters_.mode, batch.forced,
                    machine.traits.callers_reclaim_memory, control}};
  // All are taken off their lists before the first is tried, as a list of pages
  // is for migrate_pages().
  for (PageAttempt& attempt : batch.pages) {
    if (attempt.answer == Answer::kUntried) LookAndIsolate(state, attempt);
  }
  if (!parameters_.validate_only) {
    TryPages(state);
    const absl::Duration length = machine.clock->Monotonic() - began;
    ++statistics_.kernel_calls;
    statistics_.longest_kernel_call =
        std::max(statistics_.longest_kernel_call, length);
    if (world_.telemetry != nullptr) {
      world_.telemetry->OnKernelCall(parameters_.mode, length);
    }
  }
  return ProcessStop();
}

void ModelMover::TryPages(BatchState& state) {
  for (PageAttempt& attempt : state.batch.pages) {
    if (attempt.answer != Answer::kUntried) continue;
    if (state.context.control.stop() != StopReason::kNone) return;
    TryPage(state, attempt);
    // Behind a page that got no memory the kernel's core tries no other.
    if (attempt.answer == Answer::kNoMemory) return;
    if (attempt.answer == Answer::kUntried) return;
  }
}

// Where a page was when the migration found it, or the rest of its folio.
core::NodeId ModelMover::SourceOf(const PageAttempt& attempt) const {
  const auto moved = moved_folios_.find(FolioOf(attempt).start.page_number());
  if (attempt.folio_pages == 1 || moved == moved_folios_.end()) {
    return attempt.node;
  }
  return moved->second;
}

core::PageRun ModelMover::FolioOf(const PageAttempt& attempt) const {
  const uint64_t page_number = attempt.address.page_number();
  const uint64_t pages = attempt.folio_pages;
  return {core::VirtualAddress::OfPage(page_number - page_number % pages),
          pages};
}

// Whether the page is isolated from a try before and stays so; settles it where
// its destination is full. Gives up one that is where it is to go, which is a
// fallback node only now, and one that may not go there any more.
bool ModelMover::StaysIsolated(const BatchState& state, PageAttempt& attempt) {
  const uint64_t page_number = attempt.address.page_number();
  const auto isolated = isolated_.find(page_number);
  if (isolated == isolated_.end()) return false;
  Page& folio = *isolated->second->head.load(std::memory_order_acquire);
  const bool allowed = process_->Allows(state.batch.destination);
  if (allowed && folio.node != state.batch.destination) {
    if (Refused(state, folio)) Answered(attempt, Answer::kSkippedFull);
    return true;
  }
  if (!allowed && retrying_.erase(page_number) > 0) {
    CountLeftover(folio.folio_pages());
  }
  isolated_folios_.erase(&folio);
  isolated_.erase(isolated);
  putback_page(*world_.machine, folio);
  return false;
}

// Sees what is there; settles what need or can not be tried, and takes the rest
// off its list. Leaves the attempt untried where it may be tried.
void ModelMover::LookAndIsolate(const BatchState& state, PageAttempt& attempt) {
  if (StaysIsolated(state, attempt)) return;
  const uint64_t page_number = attempt.address.page_number();
  bool may_touch = false;
  const auto look = [&](const PageView& view) {
    may_touch = view.hidden() && view.reason == Reason::kNumaHint &&
                !view.shared && !parameters_.validate_only;
    SettleByLook(state, view, attempt);
  };
  LookAt(process_->space(), page_number, look);
  if (may_touch) {
    // As on a kernel that hides such pages: touched, they can be seen and
    // moved. Pages of several mappings are left alone there.
    process_->space().ClearNumaHint(page_number);
    Answered(attempt, Answer::kUntried);
    LookAt(process_->space(), page_number, look);
    if (!attempt.source.known() && attempt.node != state.batch.destination) {
      attempt.source = attempt.node;
    }
  }
  if (attempt.answer != Answer::kAgain || world_.faults == nullptr ||
      parameters_.validate_only) {
    return;
  }
  // A try that cannot even begin counts for the faults as well, and may be the
  // one that ends what is in the way.
  world_.faults->BeforeTry(*process_, page_number, nullptr);
  Answered(attempt, Answer::kUntried);
  LookAt(process_->space(), page_number, look);
}

// Whether the destination has refused what the folio needs. A transparent huge
// page needs one frame, since it moves as base pages.
bool ModelMover::Refused(const BatchState& state, const Page& folio) const {
  return (folio.Has(PageFlag::kHugetlb) ? core::kHugePagePages : 1) >=
         state.batch.refused_folio_pages;
}

void ModelMover::SettleByLook(const BatchState& state, const PageView& view,
                              PageAttempt& attempt) {
  const bool first_look = !attempt.seen;
  attempt.seen = true;
  attempt.node = core::NodeId::Unknown();
  attempt.folio_pages = view.folio_pages;
  if (view.reason != Reason::kNone) {
    SettleHiddenOrMissing(view, attempt);
    return;
  }
  attempt.node = view.page->node;
  if (first_look) attempt.source = SourceOf(attempt);
  if (BoundElsewhere(state, view, attempt)) return;
  if (attempt.node == state.batch.destination) {
    Answered(attempt, attempt.source == attempt.node ? Answer::kAlreadyPlaced
                                                     : Answer::kMoved);
    return;
  }
  MayMove(state, view, attempt);
}

// Whether another entry of the request sends the hugetlb page elsewhere, even
// from where this address is asked to be: the whole goes where the first entry
// that names a part of it says. As the kernel backend says it.
bool ModelMover::BoundElsewhere(const BatchState& state, const PageView& view,
                                PageAttempt& attempt) const {
  if (!view.page->head.load()->Has(PageFlag::kHugetlb)) return false;
  const uint32_t mine = state.batch.placement;
  const uint32_t placement =
      pages_.PlacementOfFolio(FolioOf(attempt)).value_or(mine);
  if (placement == mine) return false;
  const core::NodeId goal = pages_.placements()[placement].nodes.front();
  if (attempt.node == goal && goal == state.batch.destination) return false;
  if (attempt.node == goal || parameters_.validate_only) {
    Answered(attempt, Answer::kFailed, Reason::kFolioConflict);
    return true;
  }
  // It may leave in this pass or one to come. Batches of higher placements come
  // later in a pass.
  if (placement > mine) attempt.node = core::NodeId::Unknown();
  Answered(attempt, Answer::kAgain, Reason::kFolioConflict);
  return true;
}

void ModelMover::SettleHiddenOrMissing(const PageView& view,
                                       PageAttempt& attempt) {
  if (view.migrating) {
    Answered(attempt, Answer::kAgain, Reason::kBusy);
  } else if (view.hidden() && view.reason == Reason::kNumaHint) {
    SettleHinted(view, attempt);
  } else {
    Answered(attempt, Answer::kFailed, view.reason);
  }
}

// A dry run touches nothing, and a touch would bring the page into sight.
void ModelMover::SettleHinted(const PageView& view, PageAttempt& attempt) {
  if (!parameters_.validate_only) {
    Answered(attempt, Answer::kAgain, view.reason);
  } else if (view.shared && !parameters_.move_shared) {
    Answered(attempt, Answer::kFailed, Reason::kShared);
  } else {
    Answered(attempt, Answer::kWouldMove);
  }
}

void ModelMover::MayMove(const BatchState& state, const PageView& view,
                         PageAttempt& attempt) {
  Page& head = *view.page->head.load(std::memory_order_acquire);
  if (!process_->Allows(state.batch.destination)) {
    Answered(attempt, Answer::kFailed, Reason::kCpuset);
  } else if (view.shared && !parameters_.move_shared) {
    Answered(attempt, Answer::kFailed, Reason::kShared);
  } else if (Refused(state, head)) {
    Answered(attempt, Answer::kSkippedFull);
  } else if (parameters_.validate_only) {
    Answered(attempt, Answer::kWouldMove);
  } else {
    Isolate(view, attempt);
  }
}

// isolate_lru_page, isolate_huge_page, balloon_page_isolate.
void ModelMover::Isolate(const PageView& view, PageAttempt& attempt) {
  Page& head = *view.page->head.load(std::memory_order_acquire);
  // Another address in a huge page of ours: its turn comes after that.
  if (isolated_folios_.contains(&head)) return;
  const bool taken = head.Has(PageFlag::kBalloon)
                         ? !head.TestAndSet(PageFlag::kIsolated)
                         : head.TestAndClear(PageFlag::kLru);
  if (!taken) {
    Answered(attempt, Answer::kAgain, Reason::kBusy);
    return;
  }
  head.Get();
  head.Set(PageFlag::kIsolated);
  isolated_[attempt.address.page_number()] = view.page;
  isolated_folios_.insert(&head);
}

// Whether the attempt's page is part of a huge page that another address stood
// for, and which is whole and where it was: then that answer is this one's too.
bool ModelMover::AnsweredWithFolio(PageAttempt& attempt) {
  bool answered = false;
  LookAt(process_->space(), attempt.address.page_number(),
         [&](const PageView& view) {
           if (view.page == nullptr) return;
           Page* const head = view.page->head.load(std::memory_order_acquire);
           const auto found = answered_folios_.find(head);
           if (found == answered_folios_.end() ||
               found->second.allocation != head->allocations.load()) {
             return;
           }
           Answered(attempt, found->second.answer, found->second.reason);
           answered = true;
         });
  return answered;
}

void ModelMover::TryPage(BatchState& state, PageAttempt& attempt) {
  const uint64_t page_number = attempt.address.page_number();
  if (!isolated_.contains(page_number)) {
    // Part of a huge page that another address had isolated. That one has been
    // tried: the page may be split now, or moved, or still be whole and busy.
    if (AnsweredWithFolio(attempt)) return;
    LookAndIsolate(state, attempt);
    if (attempt.answer != Answer::kUntried) return;
    if (!isolated_.contains(page_number)) {
      Answered(attempt, Answer::kAgain, Reason::kBusy);
      return;
    }
  }
  Page& page = *isolated_[page_number];
  Page& folio = *page.head.load(std::memory_order_acquire);
  answered_folios_.erase(&folio);
  if (world_.faults != nullptr) {
    world_.faults->BeforeTry(*process_, page_number, &folio);
  }
  PagesOnNode new_pages(*world_.machine, state.batch.destination);
  const MoveResult result =
      folio.Has(PageFlag::kHugetlb)
          ? unmap_and_move_huge_page(state.context, new_pages, folio)
          : unmap_and_move(state.context, new_pages, page);
  NoteResult(state, result, folio, attempt);
}

// `folio`: the isolated folio before the try. It may be split, or gone.
void ModelMover::NoteResult(BatchState& state, const MoveResult& result,
                            Page& folio, PageAttempt& attempt) {
  const uint64_t page_number = attempt.address.page_number();
  isolated_folios_.erase(&folio);
  retrying_.erase(page_number);
  bool still_ours = true;
  switch (result.verdict) {
    case Verdict::kSuccess:
      isolated_.erase(page_number);
      SettleMoved(state, result.reason, attempt);
      return;
    case Verdict::kAgain:
      Answered(attempt, Answer::kAgain, result.reason);
      retrying_.insert(page_number);
      break;
    case Verdict::kNoMemory:
      Answered(attempt, Answer::kNoMemory, result.reason);
      break;
    case Verdict::kStopped:
      return KeepIsolated(page_number);
    case Verdict::kBusy:
    case Verdict::kInvalid:
    case Verdict::kIoError:
    case Verdict::kNoSys:
      Answered(attempt, Answer::kFailed, result.reason);
      still_ours = false;
      break;
  }
  if (folio.folio_pages() > 1) {
    answered_folios_[&folio] = {folio.allocations.load(), attempt.answer,
                                attempt.reason};
  }
  // What it was that there was no memory for, or that could not move: a
  // transparent huge page moves as base pages.
  if (!folio.Has(PageFlag::kHugetlb)) attempt.folio_pages = 1;
  if (still_ours) return KeepIsolated(page_number);
  failed_ += attempt.folio_pages;
  isolated_.erase(page_number);
}

// The isolated folio is the whole still, or after a split the part.
void ModelMover::KeepIsolated(uint64_t page_number) {
  isolated_folios_.insert(
      isolated_[page_number]->head.load(std::memory_order_acquire));
}

// The core says that the page moved. Results say where it is.
void ModelMover::SettleMoved(BatchState& state, Reason reason,
                             PageAttempt& attempt) {
  const uint32_t pages = std::max(attempt.folio_pages, 1u);
  bool hugetlb = false;
  core::NodeId node;
  LookAt(process_->space(), attempt.address.page_number(),
         [&](const PageView& view) {
           if (view.page == nullptr) return;
           node = view.page->node;
           attempt.folio_pages = view.folio_pages;
           hugetlb = view.page->head.load()->Has(PageFlag::kHugetlb);
         });
  succeeded_ += hugetlb ? pages : 1;
  if (reason == Reason::kNotPresent || !node.known()) {
    attempt.node = core::NodeId::Unknown();
    Answered(attempt, Answer::kFreed);
    return;
  }
  attempt.node = node;
  if (node == state.batch.destination) {
    Answered(attempt, Answer::kMoved);
    if (hugetlb) {
      moved_folios_[FolioOf(attempt).start.page_number()] = attempt.source;
      CountCompanions(attempt);
    }
  } else if (state.context.machine.traits.linux_4_0_quirks) {
    // Counted as moved by the core, and not moved.
    Answered(attempt, Answer::kFailed, Reason::kPinned);
  } else {
    // The process has another page there by now.
    Answered(attempt, Answer::kAgain, Reason::kBusy);
  }
}

void ModelMover::CountCompanions(const PageAttempt& attempt) {
  const core::PageRun folio = FolioOf(attempt);
  statistics_.companion_pages += folio.pages - pages_.PagesWithin(folio);
}

}  // namespace pageferry::model
