#include "server/kernel/page_mover.h"

#include <algorithm>
#include <cerrno>
#include <limits>
#include <utility>

#include "server/core/refusal.h"

namespace pageferry::kernel {
namespace {

using core::Answer;
using core::Mode;
using core::NodeId;
using core::PageAttempt;
using core::Reason;
using core::StopReason;
using core::VirtualAddress;

// A status that the kernel never writes: no node, and no errno.
constexpr int kUnwritten = std::numeric_limits<int>::min();

// The room of a destination is read anew when this many calls would fill what
// was left of it.
constexpr uint64_t kRoomMarginCalls = 4;

// The destination has no memory left, or has none any more.
bool NoMemory(const SystemResult& result) {
  return result.error == ENOMEM || result.error == ENODEV;
}

void MarkMoved(NodeId destination, PageAttempt* attempt) {
  attempt->answer = Answer::kMoved;
  attempt->reason = Reason::kNone;
  attempt->node = destination;
}

}  // namespace

PageMover::PageMover(SystemCalls* system, std::string proc_root,
                     const ProcessIdentity* process, PageLooker* looker,
                     const core::PageList* pages,
                     const core::MoveParameters& parameters,
                     core::Telemetry* telemetry)
    : system_(system),
      proc_root_(std::move(proc_root)),
      process_(process),
      looker_(looker),
      pages_(pages),
      parameters_(parameters),
      telemetry_(telemetry),
      call_size_(parameters.mode) {}

StopReason PageMover::Move(NodeId destination, uint32_t placement,
                           absl::Span<MovingPage> pages,
                           std::vector<MovingFolio> folios, bool alone,
                           const core::MigrationControl& control) {
  queue_.assign(folios.begin(), folios.end());
  requested_of_head_.clear();
  for (const MovingFolio& folio : folios) {
    if (folio.range.pages == 1 || folio.head == core::PageFrameNumber()) {
      continue;
    }
    requested_of_head_[folio.head] += pages_->PagesWithin(folio.range);
  }
  folio_limit_ = 0;
  uint32_t too_large_pages = std::numeric_limits<uint32_t>::max();
  while (!queue_.empty()) {
    if (control.stop() != StopReason::kNone) break;
    size_t fitting = 0;
    if (queue_.front().pages < too_large_pages) {
      fitting = FoliosThatFit(destination, alone);
    }
    if (fitting == 0) {
      // The mode may not make the kernel reclaim memory. Smaller folios may
      // still fit.
      const MovingFolio& folio = queue_.front();
      too_large_pages = std::min(too_large_pages, folio.pages);
      HoldForMemory(pages.subspan(folio.first, folio.count));
      queue_.pop_front();
      continue;
    }
    Call call;
    call.destination = destination;
    call.placement = placement;
    call.folios.assign(queue_.begin(), queue_.begin() + fitting);
    queue_.erase(queue_.begin(), queue_.begin() + fitting);
    NoteOwnPages(pages, call);
    Submit(control.clock(), &call);
    const StopReason fatal = Verify(pages, &call);
    if (fatal != StopReason::kNone) {
      ForgetPlaces(pages, call);
      return fatal;
    }
    if (!JudgeAll(pages, call)) break;
  }
  return looker_->frames_visible() ? StopReason::kNone
                                   : CorrectAnswers(destination, pages);
}

void PageMover::ForgetPlaces(absl::Span<MovingPage> pages, const Call& call) {
  for (const MovingFolio& folio : call.folios) {
    for (MovingPage& page : pages.subspan(folio.first, folio.count)) {
      page.attempt->node = NodeId::Unknown();
    }
  }
}

StopReason PageMover::CorrectAnswers(NodeId destination,
                                     absl::Span<MovingPage> pages) {
  addresses_.clear();
  looked_at_.clear();
  for (size_t i = 0; i < pages.size(); ++i) {
    if (pages[i].attempt->answer == Answer::kMoved) continue;
    addresses_.push_back(pages[i].attempt->address.value());
    looked_at_.push_back(i);
  }
  const StopReason fatal = Look(pages);
  if (fatal != StopReason::kNone) return fatal;
  for (size_t i : looked_at_) {
    if (pages[i].view.node != destination) continue;
    const bool untried = pages[i].attempt->answer == Answer::kUntried;
    if (!untried) ++statistics_.status_wrong;
    MarkMoved(destination, pages[i].attempt);
  }
  return StopReason::kNone;
}

void PageMover::HoldForMemory(absl::Span<MovingPage> pages) {
  for (MovingPage& page : pages) {
    if (page.attempt->answer != Answer::kUntried) continue;
    page.attempt->answer = Answer::kAgain;
    page.attempt->reason = Reason::kNoMemory;
  }
}

size_t PageMover::FoliosThatFit(NodeId destination, bool alone) {
  uint64_t limit = call_size_.pages();
  const uint64_t margin = limit * kRoomMarginCalls;
  if (parameters_.mode != Mode::kSync) {
    if (room_node_ != destination || room_pages_ < margin) {
      const absl::StatusOr<NodeRoom> room =
          ReadNodeRoom(*system_, proc_root_, destination);
      // Where the room cannot be read, the kernel's own answer has to do.
      room_pages_ = room.ok() ? room->room_pages() : margin;
      room_node_ = destination;
    }
    if (queue_.front().pages > room_pages_) return 0;
    limit = std::min(limit, room_pages_);
  }
  size_t count = 1;
  uint64_t pages = queue_.front().pages;
  while (!alone && count < queue_.size() &&
         (folio_limit_ == 0 || count < folio_limit_) &&
         pages + queue_[count].pages <= limit) {
    pages += queue_[count++].pages;
  }
  room_pages_ -= std::min(room_pages_, pages);
  return count;
}

void PageMover::NoteOwnPages(absl::Span<MovingPage> pages, const Call& call) {
  own_before_.clear();
  for (const MovingFolio& folio : call.folios) {
    const PageView& view = pages[folio.first].view;
    if (folio.range.pages == 1 || !view.folio.has_value() ||
        pages_->PagesWithin(folio.range) == folio.count) {
      continue;
    }
    addresses_.clear();
    for (uint64_t i = 0; i < folio.range.pages; ++i) {
      addresses_.push_back(folio.range.start.PlusPages(i).value());
    }
    views_.resize(addresses_.size());
    if (!looker_->Look(addresses_, absl::MakeSpan(views_)).ok()) continue;
    std::vector<bool>& own = own_before_[folio.range.start];
    for (const PageView& page : views_) {
      own.push_back(page.folio.has_value() &&
                    page.folio->head == view.folio->head);
    }
  }
}

void PageMover::Submit(core::Clock& clock, Call* call) {
  addresses_.clear();
  uint64_t pages = 0;
  for (const MovingFolio& folio : call->folios) {
    addresses_.push_back(folio.address);
    pages += folio.pages;
    if (!folio.certain) {
      placed_before_[folio.range.start] =
          PagesOn(folio.range, call->destination);
    }
  }
  nodes_.assign(addresses_.size(), call->destination.value());
  call->statuses.assign(addresses_.size(), kUnwritten);
  const absl::Duration start = clock.Monotonic();
  call->result = system_->MovePages(
      process_->id().pid, addresses_, nodes_, absl::MakeSpan(call->statuses),
      parameters_.move_shared ? kMovePagesAll : kMovePagesExclusive);
  const absl::Duration length = clock.Monotonic() - start;
  ++statistics_.kernel_calls;
  statistics_.longest_kernel_call =
      std::max(statistics_.longest_kernel_call, length);
  telemetry_->OnKernelCall(parameters_.mode, length);
  call_size_.Observe(pages, length);
}

StopReason PageMover::Verify(absl::Span<MovingPage> pages, Call* call) {
  // A pid that changed hands during the call makes its statuses a stranger's.
  if (!process_->alive()) return StopReason::kProcessExited;
  switch (call->result.error) {
    case EPERM:
      return StopReason::kPermissionLost;
    case ESRCH:
    case EINVAL:
      return StopReason::kProcessExited;
    default:
      break;
  }
  // The first run that failed begins at the first unwritten status and ends at
  // the next written one, which is of the entry that could not be queued and
  // so ended it. What lies behind was not tried.
  const auto run =
      std::find(call->statuses.begin(), call->statuses.end(), kUnwritten);
  const auto end = std::find_if(run, call->statuses.end(), [](int status) {
    return status != kUnwritten;
  });
  call->tried = static_cast<size_t>(end - call->statuses.begin());
  return LookAgain(pages, *call);
}

StopReason PageMover::LookAgain(absl::Span<MovingPage> pages,
                                const Call& call) {
  addresses_.clear();
  looked_at_.clear();
  for (size_t i = 0; i < call.folios.size(); ++i) {
    const MovingFolio& folio = call.folios[i];
    if (Believable(call, i)) continue;
    for (size_t page = folio.first; page < folio.first + folio.count; ++page) {
      addresses_.push_back(pages[page].attempt->address.value());
      looked_at_.push_back(page);
    }
  }
  return Look(pages);
}

StopReason PageMover::Look(absl::Span<MovingPage> pages) {
  if (addresses_.empty()) return StopReason::kNone;
  views_.resize(addresses_.size());
  const absl::Status status = looker_->Look(addresses_, absl::MakeSpan(views_));
  if (absl::IsNotFound(status)) return StopReason::kProcessExited;
  if (absl::IsPermissionDenied(status)) return StopReason::kPermissionLost;
  for (size_t i = 0; i < looked_at_.size(); ++i) {
    // A look that failed for want of something leaves the page as it was
    // seen before: not on the destination.
    if (status.ok()) pages[looked_at_[i]].view = views_[i];
  }
  return StopReason::kNone;
}

bool PageMover::Believable(const Call& call, size_t index) {
  return call.statuses[index] == call.destination.value() &&
         call.folios[index].pages == 1;
}

bool PageMover::JudgeAll(absl::Span<MovingPage> pages, const Call& call) {
  std::vector<MovingFolio> again;
  bool memory_left = true;
  for (size_t i = 0; i < call.folios.size(); ++i) {
    if (!Judge(pages, call, i, &again)) memory_left = false;
  }
  queue_.insert(queue_.begin(), again.begin(), again.end());
  if (NoMemory(call.result) && call.folios.size() > 1) {
    // Somewhere in the call memory ran out; find out where, one folio first.
    folio_limit_ = 1;
  } else if (folio_limit_ != 0) {
    folio_limit_ *= 2;
  }
  return memory_left;
}

bool PageMover::Judge(absl::Span<MovingPage> pages, const Call& call,
                      size_t index, std::vector<MovingFolio>* again) {
  const MovingFolio& folio = call.folios[index];
  const int status = call.statuses[index];
  const bool believable = Believable(call, index);
  size_t unmoved = 0;
  for (size_t i = folio.first; i < folio.first + folio.count; ++i) {
    MovingPage& page = pages[i];
    if (page.attempt->answer != Answer::kUntried) continue;
    if (!believable && page.view.node != call.destination) {
      ++unmoved;
      continue;
    }
    MarkMoved(call.destination, page.attempt);
    if (status == kUnwritten) ++statistics_.status_missing;
    if (status < 0 && status != kUnwritten) ++statistics_.status_wrong;
  }
  if (unmoved == 0 || (!folio.certain && unmoved < folio.count)) {
    NoteMovedFolio(pages, call, folio);
  }
  if (unmoved == 0) return true;
  const bool written = status != kUnwritten;
  const bool no_memory = !written && NoMemory(call.result);
  if (no_memory && call.folios.size() > 1) {
    again->push_back(folio);
    return true;
  }
  if (!written && !no_memory && index > call.tried) {
    again->push_back(folio);
    return true;
  }
  const bool no_room = no_memory || (!written && LacksRoomFor(call, folio));
  for (size_t i = folio.first; i < folio.first + folio.count; ++i) {
    if (pages[i].attempt->answer != Answer::kUntried) continue;
    if (!folio.certain && !no_room && i > folio.first) {
      // Only the first page was handed over, and this one did not come along:
      // they may be base pages after all.
      const VirtualAddress address = pages[i].attempt->address;
      again->push_back({address.value(), i, 1, 1, {address, 1}, true});
      continue;
    }
    AnswerUnmoved(call.result, status, no_room, &pages[i]);
  }
  return !no_room;
}

bool PageMover::LacksRoomFor(const Call& call, const MovingFolio& folio) {
  // For huge pages a shortage can come back as a mere count of failures.
  if (folio.pages == 1) return false;
  const absl::StatusOr<NodeRoom> room =
      ReadNodeRoom(*system_, proc_root_, call.destination);
  return room.ok() && room->room_pages() < folio.pages;
}

void PageMover::AnswerUnmoved(const SystemResult& result, int status,
                              bool no_room, MovingPage* page) const {
  PageAttempt& attempt = *page->attempt;
  const PageView& view = page->view;
  attempt.node = view.node;
  if (!view.resident()) {
    attempt.answer =
        view.reason == Reason::kNotPresent ? Answer::kFreed : Answer::kFailed;
    attempt.reason = view.reason;
  } else if (no_room) {
    attempt.answer = Answer::kNoMemory;
  } else if (result.error == EACCES) {
    attempt.answer = Answer::kFailed;
    attempt.reason = Reason::kCpuset;
  } else if (status == -EACCES && !parameters_.move_shared) {
    attempt.answer = Answer::kFailed;
    attempt.reason = Reason::kShared;
  } else if (view.hidden && view.reason == Reason::kUnsupported) {
    attempt.answer = Answer::kFailed;
    attempt.reason = Reason::kUnsupported;
  } else {
    attempt.answer = Answer::kAgain;
    attempt.reason = ReasonOfUnmoved(view, status);
  }
}

Reason PageMover::ReasonOfUnmoved(const PageView& view, int status) const {
  if (view.hidden) return view.reason;
  if (!view.folio.has_value()) return Reason::kBusy;
  const FrameFlags& flags = view.folio->flags;
  if (flags.writeback()) return Reason::kWriteback;
  if (flags.locked()) return Reason::kLocked;
  // By exclusion: it was tried, it can be seen, it is on its list, nobody else
  // writes or locks it. What is left is a reference that is no mapping.
  const bool listed = flags.lru() || flags.hugetlb();
  const bool plain = status == kUnwritten && listed && flags.anonymous();
  return plain ? Reason::kPinned : Reason::kBusy;
}

void PageMover::NoteMovedFolio(absl::Span<MovingPage> pages, const Call& call,
                               const MovingFolio& folio) {
  if (folio.range.pages <= 1) return;
  if (!folio.certain) {
    // One address was handed over; if all of the block moved, it was one.
    const uint64_t before = placed_before_[folio.range.start];
    if (before != 0 ||
        PagesOn(folio.range, call.destination) != folio.range.pages) {
      return;
    }
    for (size_t i = folio.first; i < folio.first + folio.count; ++i) {
      pages[i].attempt->folio_pages = static_cast<uint32_t>(folio.range.pages);
    }
  }
  const uint64_t requested = pages_->PagesWithin(folio.range);
  statistics_.companion_pages += TakeCompanions(folio);
  if (requested > folio.count) {
    moved_folios_[folio.range.start] = {
        folio.range, pages[folio.first].attempt->source, call.placement,
        own_before_[folio.range.start]};
  }
}

uint64_t PageMover::TakeCompanions(const MovingFolio& folio) {
  const auto it = requested_of_head_.find(folio.head);
  if (it == requested_of_head_.end()) {
    return folio.pages - pages_->PagesWithin(folio.range);
  }
  const uint64_t requested = std::min<uint64_t>(it->second, folio.pages);
  it->second = folio.pages;  // its other parts bring no more
  return folio.pages - requested;
}

const PageMover::MovedFolio* PageMover::FindMoved(
    VirtualAddress address) const {
  auto after = moved_folios_.upper_bound(address);
  if (after == moved_folios_.begin()) return nullptr;
  const MovedFolio& folio = std::prev(after)->second;
  if (address >= folio.range.end()) return nullptr;
  const uint64_t index =
      address.page_number() - folio.range.start.page_number();
  return folio.own.empty() || folio.own[index] ? &folio : nullptr;
}

uint64_t PageMover::PagesOn(core::PageRun range, NodeId node) {
  std::vector<uint64_t> addresses(range.pages);
  std::vector<int> statuses(range.pages, kUnwritten);
  for (uint64_t i = 0; i < range.pages; ++i) {
    addresses[i] = range.start.PlusPages(i).value();
  }
  system_->MovePages(process_->id().pid, addresses, {},
                     absl::MakeSpan(statuses), 0);
  return static_cast<uint64_t>(
      std::count(statuses.begin(), statuses.end(), node.value()));
}

}  // namespace pageferry::kernel
