#include "server/core/migrate_pages.h"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "server/core/pass_books.h"
#include "server/core/reasons.h"

namespace pageferry::core {
namespace {

// Runs of the list that a pass takes up together.
constexpr size_t kRunsAtATime = 4096;

constexpr uint32_t kNothingRefused = std::numeric_limits<uint32_t>::max();

class PassLoop {
 public:
  PassLoop(const PageList& pages, const MigrateOptions& options,
           BatchMover& mover, const MigrationControl& control,
           absl::Span<RateLimiter* const> limiters, MigrationObserver& observer)
      : pages_(pages),
        options_(options),
        mover_(mover),
        control_(control),
        limiters_(limiters),
        observer_(observer),
        books_(pages.page_count(), &observer),
        started_at_(control.clock().Monotonic()),
        refused_(pages.placements().size()) {
    for (size_t i = 0; i < refused_.size(); ++i) {
      refused_[i].assign(pages.placements()[i].nodes.size(), kNothingRefused);
    }
  }

  MigrationSummary Run() {
    const uint32_t max_passes = options_.validate_only ? 1 : MaxPasses();
    absl::Duration backoff = options_.initial_backoff;
    for (uint32_t pass = 0; pass < max_passes && PagesAreLeft(); ++pass) {
      if (pass > 0) {
        control_.Pause(backoff);
        backoff = std::min(backoff * 2, options_.max_backoff);
      }
      NoteStop();
      if (Stopping()) break;
      RunPass(pass, max_passes);
    }
    AbandonPending();
    MigrationSummary summary = books_.summary();
    summary.stop_reason = FinalStopReason(summary);
    summary.elapsed = Elapsed();
    return summary;
  }

 private:
  uint32_t MaxPasses() const { return std::max(options_.max_passes, 1u); }

  absl::Duration Elapsed() const {
    return control_.clock().Monotonic() - started_at_;
  }

  bool Stopping() const { return stop_ != StopReason::kNone || aborted_; }

  void NoteStop() {
    if (stop_ == StopReason::kNone) stop_ = control_.stop();
  }

  void RunPass(uint32_t pass, uint32_t max_passes) {
    last_pass_ = pass + 1 == max_passes;
    forced_ = pass >= kFirstForcedPass ||
              (max_passes <= kFirstForcedPass && last_pass_);
    books_.StartPass(pass, forced_);
    if (pass > 0) RunOver(std::exchange(pending_, {}));
    while (next_run_ < pages_.runs().size() && !Stopping()) {
      RunOver(TakeUntriedRuns());
    }
    books_.EndPass();
  }

  bool PagesAreLeft() const {
    return !pending_.empty() || next_run_ < pages_.runs().size();
  }

  // The next runs of the list that no pass has seen: some at a time, so that
  // the list is not in memory twice.
  std::vector<PendingRun> TakeUntriedRuns() {
    std::vector<PendingRun> runs;
    while (runs.size() < kRunsAtATime && next_run_ < pages_.runs().size()) {
      const PlacedRun& placed = pages_.runs()[next_run_++];
      runs.emplace_back();
      runs.back().run = placed.run;
      runs.back().history.placement = placed.placement;
    }
    return runs;
  }

  // Tries `todo` batch by batch; what a stop leaves of it becomes pending.
  void RunOver(std::vector<PendingRun> todo) {
    size_t next = 0;
    while (next < todo.size()) {
      AwaitRate();
      NoteStop();
      if (Stopping()) break;
      FillBatch(&todo, &next);
      TryPlacement();
      SettleBatch();
    }
    pending_.insert(pending_.end(), todo.begin() + next, todo.end());
  }

  // Waits until every limiter allows another batch, or a stop.
  void AwaitRate() {
    for (RateLimiter* limiter : limiters_) {
      while (control_.stop() == StopReason::kNone) {
        const absl::Duration delay =
            limiter->DelayUntilReady(control_.clock().Monotonic());
        if (delay <= absl::ZeroDuration()) break;
        control_.Pause(delay);
      }
    }
  }

  uint64_t BatchPages() const {
    uint64_t limit = std::max(
        1u, std::min(mover_.preferred_batch_pages(), options_.max_batch_pages));
    for (const RateLimiter* limiter : limiters_) {
      limit = std::min(limit, limiter->burst_bytes() / kPageBytes);
    }
    return limit;
  }

  // Takes pages of one placement from (*todo)[*next...], shortening the last
  // run taken where it is only taken in part.
  void FillBatch(std::vector<PendingRun>* todo, size_t* next) {
    attempts_.clear();
    histories_.clear();
    uint64_t room = BatchPages();
    const uint32_t placement = (*todo)[*next].history.placement;
    while (*next < todo->size() &&
           (*todo)[*next].history.placement == placement) {
      PendingRun& run = (*todo)[*next];
      const uint64_t taken = PagesToTake(run.run, room);
      if (taken == 0) break;
      for (uint64_t i = 0; i < taken; ++i) {
        PageAttempt attempt;
        attempt.address = run.run.start.PlusPages(i);
        attempt.seen = run.history.seen;
        attempt.source = run.history.source;
        attempt.node = run.history.node;
        attempt.folio_pages = run.history.folio_pages;
        attempts_.push_back(attempt);
        histories_.push_back(run.history);
      }
      room -= std::min(room, taken);
      run.run = {run.run.start.PlusPages(taken), run.run.pages - taken};
      if (run.run.pages == 0) ++*next;
    }
    tried_without_memory_.assign(attempts_.size(), false);
    may_get_memory_later_.assign(attempts_.size(), false);
  }

  // How many of the first pages of `run` go into the batch: what there is room
  // for, and what is left of the block in which that ends.
  uint64_t PagesToTake(PageRun run, uint64_t room) const {
    const uint64_t first = run.start.page_number();
    const uint64_t last =
        room > 0 ? first + room - 1 : attempts_.back().address.page_number();
    const uint64_t end =
        (last / mover_.block_pages() + 1) * uint64_t{mover_.block_pages()};
    return end <= first ? 0 : std::min(run.pages, end - first);
  }

  // Tries the batch on the nodes of its placement in turn: what finds no
  // memory on one goes on to the next.
  void TryPlacement() {
    const uint32_t placement = histories_.front().placement;
    const std::vector<NodeId>& nodes = pages_.placements()[placement].nodes;
    for (size_t level = 0; level < nodes.size(); ++level) {
      Batch batch;
      batch.destination = nodes[level];
      batch.placement = placement;
      batch.forced = forced_;
      batch.pages = absl::MakeSpan(attempts_);
      TryNode(&batch, &refused_[placement][level]);
      const bool more_nodes = level + 1 < nodes.size();
      if (!NoteMemory(more_nodes) || Stopping()) return;
    }
  }

  // Tries what is untried on one node until nothing is, or no more can be.
  // Pages behind one that got no memory were not reached; they are tried again,
  // without those that are as large.
  void TryNode(Batch* batch, uint32_t* refused_folio_pages) {
    size_t untried = CountUntried();
    while (untried > 0) {
      batch->refused_folio_pages = *refused_folio_pages;
      observer_.OnTrying(untried);
      const StopReason fatal = mover_.TryBatch(*batch, control_);
      observer_.OnTrying(0);
      if (stop_ == StopReason::kNone) stop_ = fatal;
      for (const PageAttempt& attempt : attempts_) {
        if (attempt.answer != Answer::kNoMemory) continue;
        if (options_.no_memory == NoMemoryPolicy::kAbortList) aborted_ = true;
        *refused_folio_pages =
            std::min(*refused_folio_pages, std::max(attempt.folio_pages, 1u));
      }
      const size_t left = CountUntried();
      if (left == 0) return;
      NoteStop();
      if (Stopping()) return;
      if (left == untried) {
        // The mover decided nothing and was not stopped: what it cannot reach
        // is busy.
        for (PageAttempt& attempt : attempts_) {
          if (attempt.answer != Answer::kUntried) continue;
          attempt.answer = Answer::kAgain;
          attempt.reason = Reason::kBusy;
        }
        return;
      }
      untried = left;
    }
  }

  size_t CountUntried() const {
    return static_cast<size_t>(std::count_if(
        attempts_.begin(), attempts_.end(), [](const PageAttempt& attempt) {
          return attempt.answer == Answer::kUntried;
        }));
  }

  // Notes which pages found no memory on the node just tried. Where there are
  // more nodes, makes those untried again; returns whether there are any.
  bool NoteMemory(bool more_nodes) {
    bool any = false;
    for (size_t i = 0; i < attempts_.size(); ++i) {
      PageAttempt& attempt = attempts_[i];
      const bool later = attempt.answer == Answer::kAgain &&
                         attempt.reason == Reason::kNoMemory;
      if (!later && attempt.answer != Answer::kNoMemory &&
          attempt.answer != Answer::kSkippedFull) {
        continue;
      }
      if (attempt.answer == Answer::kNoMemory) tried_without_memory_[i] = true;
      if (later) may_get_memory_later_[i] = true;
      any = true;
      if (more_nodes && !aborted_) {
        attempt.answer = Answer::kUntried;
        attempt.reason = Reason::kNone;
      }
    }
    return any && more_nodes && !aborted_;
  }

  // Sorts the answers of the batch: settled pages go out, the others wait.
  void SettleBatch() {
    const uint64_t moved_bytes_before = books_.summary().moved_bytes();
    for (size_t i = 0; i < attempts_.size(); ++i) SettlePage(i);
    books_.Update(mover_.statistics(), Elapsed());
    const uint64_t moved_bytes =
        books_.summary().moved_bytes() - moved_bytes_before;
    if (moved_bytes > 0) {
      for (RateLimiter* limiter : limiters_) {
        limiter->Consume(moved_bytes, control_.clock().Monotonic());
      }
    }
    books_.Emit();
  }

  void SettlePage(size_t i) {
    const PageAttempt& attempt = attempts_[i];
    History& history = histories_[i];
    history.seen = attempt.seen;
    history.source = attempt.source;
    history.node = attempt.node;
    history.folio_pages = attempt.folio_pages;
    if (attempt.answer == Answer::kUntried) {  // a stop came first
      AppendPending({{attempt.address, 1}, history}, &pending_);
      return;
    }
    ++history.passes;
    switch (attempt.answer) {
      case Answer::kMoved:
        Settle(attempt.address, history, Outcome::kMoved, Reason::kNone);
        return;
      case Answer::kAlreadyPlaced:
        Settle(attempt.address, history, Outcome::kAlreadyPlaced,
               Reason::kNone);
        return;
      case Answer::kWouldMove:
        Settle(attempt.address, history, Outcome::kWouldMove, Reason::kNone);
        return;
      case Answer::kFreed:
        Fail(attempt.address, history, Reason::kNotPresent);
        return;
      case Answer::kFailed:
        Fail(attempt.address, history, attempt.reason);
        return;
      case Answer::kAgain:
        Retry(attempt.address, history, attempt.reason);
        return;
      case Answer::kNoMemory:
      case Answer::kSkippedFull:
        if (may_get_memory_later_[i]) {
          Retry(attempt.address, history, Reason::kNoMemory);
        } else if (tried_without_memory_[i]) {
          Fail(attempt.address, history, Reason::kNoMemory);
        } else {
          Settle(attempt.address, history, Outcome::kNotAttempted,
                 Reason::kAborted);
        }
        destination_full_ = true;
        return;
      case Answer::kUntried:
        return;
    }
  }

  void Fail(VirtualAddress address, const History& history, Reason reason) {
    books_.CountFailure();
    Settle(address, history, Outcome::kFailed, reason);
  }

  void Retry(VirtualAddress address, History history, Reason reason) {
    books_.CountRetry(reason);
    if (last_pass_) {
      if (reason == Reason::kNoMemory) destination_full_ = true;
      Settle(address, history, Outcome::kFailed, reason);
      return;
    }
    history.retried_for = reason;
    AppendPending({{address, 1}, history}, &pending_);
  }

  void Settle(VirtualAddress address, const History& history, Outcome outcome,
              Reason reason) {
    books_.Settle({address, 1}, history, outcome, reason);
  }

  // After a stop: what is left was not attempted, or not to the end.
  void AbandonPending() {
    while (PagesAreLeft()) {
      std::vector<PendingRun> runs =
          pending_.empty() ? TakeUntriedRuns() : std::exchange(pending_, {});
      std::sort(runs.begin(), runs.end(),
                [](const PendingRun& a, const PendingRun& b) {
                  return a.run.start < b.run.start;
                });
      for (const PendingRun& run : runs) {
        books_.Settle(run.run, run.history, Outcome::kNotAttempted,
                      aborted_ ? Reason::kAborted : ReasonOfStop(stop_));
      }
      books_.Update(mover_.statistics(), Elapsed());
      books_.Emit();
    }
  }

  StopReason FinalStopReason(const MigrationSummary& summary) const {
    if (summary.not_attempted_pages > 0 && stop_ != StopReason::kNone) {
      return stop_;
    }
    if (stop_ == StopReason::kProcessExited ||
        stop_ == StopReason::kPermissionLost) {
      return stop_;
    }
    return destination_full_ || aborted_ ? StopReason::kDestinationFull
                                         : StopReason::kCompleted;
  }

  const PageList& pages_;
  const MigrateOptions& options_;
  BatchMover& mover_;
  const MigrationControl& control_;
  const absl::Span<RateLimiter* const> limiters_;
  MigrationObserver& observer_;
  PassBooks books_;
  const absl::Duration started_at_;

  // For each placement and node of it, the smallest folio, in base pages, that
  // it had no memory for.
  std::vector<std::vector<uint32_t>> refused_;
  // The first run of the list that no pass has seen yet.
  size_t next_run_ = 0;
  // What waits for the next pass.
  std::vector<PendingRun> pending_;
  StopReason stop_ = StopReason::kNone;
  bool aborted_ = false;
  bool destination_full_ = false;
  bool last_pass_ = false;
  bool forced_ = false;

  // The batch: attempts, and beside each its history and what its nodes said.
  std::vector<PageAttempt> attempts_;
  std::vector<History> histories_;
  std::vector<bool> tried_without_memory_;
  std::vector<bool> may_get_memory_later_;
};

}  // namespace

MigrationSummary MigratePages(const PageList& pages,
                              const MigrateOptions& options, BatchMover& mover,
                              const MigrationControl& control,
                              absl::Span<RateLimiter* const> limiters,
                              MigrationObserver& observer) {
  return PassLoop(pages, options, mover, control, limiters, observer).Run();
}

}  // namespace pageferry::core
