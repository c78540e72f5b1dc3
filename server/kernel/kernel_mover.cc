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
                         core::Telemetry* telemetry)
    : system_(system),
      process_(process),
      pages_(pages),
      parameters_(parameters),
      huge_page_hints_(std::move(huge_page_hints)),
      looker_(system, proc_root, process),
      mover_(system, proc_root, process, &looker_, pages, parameters,
             telemetry) {}

uint32_t KernelMover::preferred_batch_pages() const {
  // A few calls' worth: what was seen of a page is then still fresh when its
  // call comes, and results stream in short steps.
  switch (parameters_.mode) {
    case Mode::kAsync:
      return 512;
    case Mode::kSyncLight:
      return 2048;
    case Mode::kSync:
      break;
  }
  return 4096;
}

StopReason KernelMover::TryBatch(const Batch& batch,
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
  for (size_t i : swapped) Record(views_[i], &batch.pages[indices_[i]]);
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
  // Linux 6.1 to 6.4 refuse pages behind a NUMA hint; a read takes the hint
  // away. Only of pages that are mapped once: reading so pins the page, and
  // pinning breaks copy-on-write sharing (4-kernel-facts, seen on 6.12).
  std::vector<uint64_t> addresses;
  for (size_t i : hidden) addresses.push_back(addresses_[i]);
  size_t next = 0;
  while (next < addresses.size()) {
    const SystemResult read = system_->ReadFirstBytes(
        process_->id().pid, absl::MakeSpan(addresses).subspan(next));
    // The first that cannot be read stays hidden; go on behind it.
    next += read.value > 0 ? static_cast<size_t>(read.value) : 1;
  }
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
  const PageRun range = FolioRange(attempt->address, view);
  const PageMover::MovedFolio* moved = mover_.FindMoved(attempt->address);
  const bool sent_elsewhere =
      moved != nullptr && moved->placement != batch.placement;
  if (sent_elsewhere || (view.folio.has_value() && range.pages > 1 &&
                         pages_->PlacementOfFolio(range) != batch.placement)) {
    AnswerWith(Answer::kFailed, Reason::kFolioConflict, attempt);
    return true;
  }
  if (std::max(attempt->folio_pages, 1u) >= batch.refused_folio_pages) {
    AnswerWith(Answer::kSkippedFull, Reason::kNone, attempt);
    return true;
  }
  return false;
}

PageRun KernelMover::FolioRange(VirtualAddress address,
                                const PageView& view) const {
  if (view.folio.has_value()) {
    const uint64_t within =
        view.entry.frame().value() - view.folio->head.value();
    return {VirtualAddress::OfPage(address.page_number() - within),
            view.folio->pages};
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
    if (page.view.folio.has_value()) folio.head = page.view.folio->head;
    folios.push_back(folio);
  }
  return folios;
}

}  // namespace pageferry::kernel
