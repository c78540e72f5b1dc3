#include "server/kernel/kernel_mover.h"

#include <algorithm>
#include <utility>

#include "absl/status/status.h"

namespace pageferry::kernel {
namespace {

using core::Answer;
using core::Batch;
using core::Mode;
using core::PageAttempt;
using core::PageRun;
using core::Reason;
using core::StopReason;
using core::VirtualAddress;

// Notes in the attempt what a look found.
void Record(const PageView& view, PageAttempt* attempt) {
  if (!attempt->seen) attempt->source = view.node;
  attempt->seen = true;
  attempt->node = view.node;
  if (view.folio.has_value()) attempt->folio_pages = view.folio->pages;
}

// Pages in a batch of async mode; whole blocks of the address space.
constexpr uint32_t kAsyncBatchPages = core::kHugePagePages;

// The same where DAMON is asked first: 16 MiB.
constexpr uint32_t kKernelBatchPages = 4096;

bool AnyUntried(const Batch& batch) {
  return std::any_of(batch.pages.begin(), batch.pages.end(),
                     [](const PageAttempt& attempt) {
                       return attempt.answer == Answer::kUntried;
                     });
}

void AnswerWith(Answer answer, Reason reason, PageAttempt* attempt) {
  attempt->answer = answer;
  attempt->reason = reason;
}

}  // namespace

KernelMover::KernelMover(SystemCalls* system, const std::string& proc_root,
                         const ProcessIdentity* process,
                         const core::PageList* pages,
                         const core::MoveParameters& parameters,
                         absl::optional<AddressSpace> huge_page_hints,
                         Damon* damon, core::Telemetry* telemetry)
    : pages_(pages),
      parameters_(parameters),
      huge_page_hints_(std::move(huge_page_hints)),
      looker_(system, proc_root, process),
      mover_(system, proc_root, process, &looker_, pages, parameters,
             telemetry) {
  if (parameters.mode != Mode::kAsync ||
      parameters.preferred_fidelity != core::Fidelity::kKernel ||
      parameters.validate_only || !looker_.frames_visible() ||
      !damon->may_be_had()) {
    return;
  }
  damon_mover_.emplace(system, proc_root, damon, process, &looker_, parameters,
                       telemetry);
}

uint32_t KernelMover::preferred_batch_pages() const {
  // Writing an application down for DAMON costs as much as moving some hundred
  // pages.
  if (damon_mover_.has_value()) return kKernelBatchPages;
  // A few calls' worth: what was seen of a page is then still fresh when its
  // call comes, and results stream in short steps.
  switch (parameters_.mode) {
    case Mode::kAsync:
      return kAsyncBatchPages;
    case Mode::kSyncLight:
      return 2048;
    case Mode::kSync:
      break;
  }
  return 4096;
}

StopReason KernelMover::TryBatch(const Batch& batch,
                                 const core::MigrationControl& control) {
  StopReason fatal = StopReason::kNone;
  if (damon_mover_.has_value()) {
    fatal = TryKernel(batch, control);
    if (fatal == StopReason::kNone) fatal = TryScreenedInParts(batch, control);
  } else {
    fatal = TryScreened(batch, control);
  }
  SumUp();
  return fatal;
}

void KernelMover::SumUp() {
  statistics_ = mover_.statistics();
  if (!damon_mover_.has_value()) return;
  const core::MoverStatistics& damon = damon_mover_->statistics();
  statistics_.kernel_calls += damon.kernel_calls;
  statistics_.longest_kernel_call =
      std::max(statistics_.longest_kernel_call, damon.longest_kernel_call);
  statistics_.kernel_fidelity_pages = damon.kernel_fidelity_pages;
}

StopReason KernelMover::TryKernel(const Batch& batch,
                                  const core::MigrationControl& control) {
  // A page that did not move so does not get another try of this kind, which
  // costs more than a screened one: whatever comes again is known already.
  const bool known =
      std::all_of(batch.pages.begin(), batch.pages.end(),
                  [](const PageAttempt& attempt) { return attempt.seen; });
  if (known) return StopReason::kNone;
  const StopReason fatal = LookAt(batch);
  if (fatal != StopReason::kNone) return fatal;
  Plan plan;
  for (size_t i = 0; i < indices_.size(); ++i) Decide(batch, i, &plan);
  return damon_mover_->Move(batch.destination, absl::MakeSpan(plan.plain),
                            Folios(plan.plain), control);
}

StopReason KernelMover::TryScreenedInParts(
    const Batch& batch, const core::MigrationControl& control) {
  const absl::Span<PageAttempt> pages = batch.pages;
  const auto block = [&pages](size_t i) {
    return pages[i].address.page_number() / kAsyncBatchPages;
  };
  for (size_t begin = 0, end = 0; begin < pages.size(); begin = end) {
    for (end = begin + 1; end < pages.size();) {
      if (end - begin >= kAsyncBatchPages && block(end) != block(end - 1))
        break;
      ++end;
    }
    Batch part = batch;
    part.pages = pages.subspan(begin, end - begin);
    if (!AnyUntried(part)) continue;
    const StopReason fatal = TryScreened(part, control);
    if (fatal != StopReason::kNone) return fatal;
    // Left behind a page that got no memory, or by a stop.
    if (AnyUntried(part)) break;
  }
  return StopReason::kNone;
}

StopReason KernelMover::TryScreened(const Batch& batch,
                                    const core::MigrationControl& control) {
  StopReason fatal = LookAt(batch);
  if (fatal != StopReason::kNone) return fatal;
  Plan plan;
  for (size_t i = 0; i < indices_.size(); ++i) Decide(batch, i, &plan);
  for (std::vector<MovingPage>* pages :
       {&plan.plain, &plan.last, &plan.alone}) {
    if (pages->empty()) continue;
    fatal =
        mover_.Move(batch.destination, batch.placement, absl::MakeSpan(*pages),
                    Folios(*pages), pages == &plan.alone, control);
    if (fatal != StopReason::kNone) return fatal;
  }
  return StopReason::kNone;
}

StopReason KernelMover::LookAt(const Batch& batch) {
  indices_.clear();
  addresses_.clear();
  for (size_t i = 0; i < batch.pages.size(); ++i) {
    if (batch.pages[i].answer != Answer::kUntried) continue;
    indices_.push_back(i);
    addresses_.push_back(batch.pages[i].address.value());
  }
  views_.resize(addresses_.size());
  StopReason fatal = Look(addresses_, absl::MakeSpan(views_));
  if (fatal != StopReason::kNone) return fatal;
  std::vector<size_t> hidden;
  std::vector<size_t> swapped;
  for (size_t i = 0; i < views_.size(); ++i) {
    Record(views_[i], &batch.pages[indices_[i]]);
    if (views_[i].reason == Reason::kNumaHint && views_[i].entry.exclusive()) {
      hidden.push_back(i);
    }
    if (views_[i].reason == Reason::kSwappedOut) swapped.push_back(i);
  }
  if (parameters_.validate_only) return StopReason::kNone;
  // What looks swapped out may be a page that the kernel is moving by itself
  // just now, which takes microseconds: a second look tells.
  fatal = LookAgainAt(swapped);
  if (fatal != StopReason::kNone) return fatal;
  Uncover(hidden);
  fatal = LookAgainAt(hidden);
  if (fatal != StopReason::kNone) return fatal;
  for (size_t i : hidden) {
    batch.pages[indices_[i]].node = views_[i].node;
    if (!batch.pages[indices_[i]].source.known() &&
        views_[i].node != batch.destination) {
      batch.pages[indices_[i]].source = views_[i].node;
    }
  }
  for (size_t i : swapped) {
    PageAttempt& attempt = batch.pages[indices_[i]];
    // The look before saw nothing of it.
    if (!attempt.source.known()) attempt.source = views_[i].node;
    Record(views_[i], &attempt);
  }
  return StopReason::kNone;
}

StopReason KernelMover::Look(absl::Span<const uint64_t> addresses,
                             absl::Span<PageView> views) {
  const absl::Status status = looker_.Look(addresses, views);
  if (status.ok()) return StopReason::kNone;
  return absl::IsPermissionDenied(status) ? StopReason::kPermissionLost
                                          : StopReason::kProcessExited;
}

StopReason KernelMover::LookAgainAt(const std::vector<size_t>& indices) {
  if (indices.empty()) return StopReason::kNone;
  std::vector<uint64_t> addresses;
  for (size_t i : indices) addresses.push_back(addresses_[i]);
  std::vector<PageView> views(addresses.size());
  const StopReason fatal = Look(addresses, absl::MakeSpan(views));
  for (size_t i = 0; i < indices.size(); ++i) {
    if (fatal == StopReason::kNone) views_[indices[i]] = views[i];
  }
  return fatal;
}

void KernelMover::Uncover(const std::vector<size_t>& hidden) {
  std::vector<uint64_t> addresses;
  for (size_t i : hidden) addresses.push_back(addresses_[i]);
  looker_.Touch(addresses);
}

void KernelMover::Decide(const Batch& batch, size_t index, Plan* plan) {
  const PageView& view = views_[index];
  PageAttempt& attempt = batch.pages[indices_[index]];
  if (SettledWithoutMove(batch, view, &attempt)) return;
  const ScreenDecision decision =
      Screen(parameters_.mode, batch.forced, parameters_.move_shared, view);
  if (decision.screening == Screening::kFail) {
    return AnswerWith(Answer::kFailed, decision.reason, &attempt);
  }
  if (parameters_.validate_only) {
    // Nobody asks the kernel here, so the likely answer has to do.
    if (view.shared() && !parameters_.move_shared) {
      return AnswerWith(Answer::kFailed, Reason::kShared, &attempt);
    }
    return AnswerWith(Answer::kWouldMove, Reason::kNone, &attempt);
  }
  switch (decision.screening) {
    case Screening::kHoldBack:
      return AnswerWith(Answer::kAgain, decision.reason, &attempt);
    case Screening::kSubmitLast:
      plan->last.push_back({&attempt, view});
      return;
    case Screening::kSubmitAlone:
      plan->alone.push_back({&attempt, view});
      return;
    case Screening::kSubmit:
    case Screening::kFail:
      plan->plain.push_back({&attempt, view});
      return;
  }
}

bool KernelMover::SettledWithoutMove(const Batch& batch, const PageView& view,
                                     PageAttempt* attempt) {
  if (SettledByItsFolio(batch, view, attempt)) return true;
  if (view.node == batch.destination) {
    const PageMover::MovedFolio* folio = mover_.FindMoved(attempt->address);
    if (folio != nullptr && folio->placement != batch.placement) {
      folio = nullptr;
    }
    if (folio != nullptr) attempt->source = folio->source;
    // It was elsewhere, or hidden, when first seen, or came with its folio.
    const bool arrived = attempt->source != batch.destination;
    AnswerWith(arrived ? Answer::kMoved : Answer::kAlreadyPlaced, Reason::kNone,
               attempt);
    return true;
  }
  if (!view.resident()) {
    AnswerWith(Answer::kFailed, view.reason, attempt);
    return true;
  }
  if (view.fixed) {
    AnswerWith(Answer::kFailed, Reason::kNotMovable, attempt);
    return true;
  }
  if (view.hidden && view.reason == Reason::kUnsupported) {
    AnswerWith(Answer::kFailed, Reason::kUnsupported, attempt);
    return true;
  }
  if (view.hidden && !parameters_.validate_only) {
    AnswerWith(Answer::kAgain, Reason::kNumaHint, attempt);
    return true;
  }
  const PageMover::MovedFolio* moved = mover_.FindMoved(attempt->address);
  if (moved != nullptr && moved->placement != batch.placement) {
    AnswerWith(Answer::kFailed, Reason::kFolioConflict, attempt);
    return true;
  }
  if (std::max(attempt->folio_pages, 1u) >= batch.refused_folio_pages) {
    AnswerWith(Answer::kSkippedFull, Reason::kNone, attempt);
    return true;
  }
  return false;
}

bool KernelMover::SettledByItsFolio(const Batch& batch, const PageView& view,
                                    PageAttempt* attempt) const {
  if (!view.node.known() || !view.folio.has_value()) return false;
  const PageRun range = FolioRange(attempt->address, view);
  if (range.pages == 1) return false;
  const uint32_t placement =
      pages_->PlacementOfFolio(range).value_or(batch.placement);
  if (placement == batch.placement) return false;
  const core::NodeId goal = pages_->placements()[placement].nodes.front();
  if (view.node == goal && goal == batch.destination) return false;
  if (view.node == goal || parameters_.validate_only) {
    AnswerWith(Answer::kFailed, Reason::kFolioConflict, attempt);
    return true;
  }
  // It may leave in this pass or one to come, even from where this page is
  // asked to be. Batches of higher placements come later in a pass.
  if (placement > batch.placement) attempt->node = core::NodeId::Unknown();
  AnswerWith(Answer::kAgain, Reason::kFolioConflict, attempt);
  return true;
}

PageRun KernelMover::FolioRange(VirtualAddress address,
                                const PageView& view) const {
  if (view.folio.has_value()) {
    const uint64_t within =
        view.entry.frame().value() - view.folio->head.value();
    // mremap(2) can bring a part of it so low that the rest has no addresses.
    const uint64_t before = std::min(within, address.page_number());
    return {VirtualAddress::OfPage(address.page_number() - before),
            view.folio->pages - (within - before)};
  }
  if (!huge_page_hints_.has_value()) return {address, 1};
  const Mapping* mapping = huge_page_hints_->Find(address);
  if (mapping == nullptr) return {address, 1};
  uint64_t size_bytes = 0;
  if (mapping->hugetlb()) {
    size_bytes = mapping->kernel_page_bytes;
  } else if (mapping->huge_page_bytes > 0) {
    size_bytes = core::kHugePagePages * core::kPageBytes;
  } else {
    return {address, 1};
  }
  const VirtualAddress start(address.value() / size_bytes * size_bytes);
  const PageRun range = {start, size_bytes / core::kPageBytes};
  const bool inside = mapping->start <= start && range.end() <= mapping->end;
  return inside ? range : PageRun{address, 1};
}

std::vector<MovingFolio> KernelMover::Folios(
    absl::Span<const MovingPage> pages) const {
  std::vector<MovingFolio> folios;
  for (size_t i = 0; i < pages.size(); ++i) {
    const MovingPage& page = pages[i];
    const VirtualAddress address = page.attempt->address;
    const PageRun range = FolioRange(address, page.view);
    if (!folios.empty() && range.pages > 1 && folios.back().range == range) {
      ++folios.back().count;
      continue;
    }
    const bool hugetlb =
        page.view.folio.has_value()
            ? page.view.folio->flags.hugetlb()
            : range.pages > 1 && huge_page_hints_->Find(address)->hugetlb();
    MovingFolio folio;
    // A tail of a hugetlb page is refused on 6.1; of a THP any address does.
    folio.address = (hugetlb ? range.start : address).value();
    folio.first = i;
    folio.count = 1;
    folio.pages = static_cast<uint32_t>(range.pages);
    folio.range = range;
    folio.certain = range.pages == 1 || page.view.folio.has_value() || hugetlb;
    if (page.view.folio.has_value()) {
      folio.head = page.view.folio->head;
      folio.pages = page.view.folio->pages;
    }
    folios.push_back(folio);
  }
  return folios;
}

}  // namespace pageferry::kernel
