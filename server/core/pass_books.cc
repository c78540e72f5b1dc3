#include "server/core/pass_books.h"

#include <algorithm>

namespace pageferry::core {
namespace {

template <typename Run, typename Same>
void AppendMerged(const Run& run, std::vector<Run>* runs, Same same) {
  if (!runs->empty() && runs->back().run.end() == run.run.start &&
      same(runs->back(), run)) {
    runs->back().run.pages += run.run.pages;
  } else {
    runs->push_back(run);
  }
}

uint64_t& At(ReasonPages& pages, Reason reason) {
  return pages[static_cast<size_t>(reason)];
}

}  // namespace

void AppendPending(const PendingRun& run, std::vector<PendingRun>* runs) {
  AppendMerged(run, runs, [](const PendingRun& a, const PendingRun& b) {
    return a.history == b.history;
  });
}

PassBooks::PassBooks(uint64_t requested_pages, MigrationObserver* observer)
    : observer_(observer) {
  summary_.requested_pages = requested_pages;
}

void PassBooks::StartPass(uint32_t pass, bool forced) {
  figures_ = PassFigures();
  figures_.pass = pass;
  figures_.forced = forced;
  ++summary_.passes;
}

void PassBooks::EndPass() { observer_->OnPassCompleted(figures_); }

void PassBooks::CountRetry(Reason reason) {
  ++figures_.retry_pages;
  ++At(figures_.retry_reasons, reason);
  ++summary_.retried_pages;
  ++At(summary_.retries, reason);
}

void PassBooks::Settle(PageRun run, const History& history, Outcome outcome,
                       Reason reason) {
  switch (outcome) {
    case Outcome::kMoved:
      summary_.moved_pages += run.pages;
      figures_.moved_pages += run.pages;
      summary_.moved_between[{history.source, history.node}] += run.pages;
      if (history.retried_for != Reason::kNone) {
        At(summary_.recovered, history.retried_for) += run.pages;
      }
      break;
    case Outcome::kAlreadyPlaced:
      summary_.already_placed_pages += run.pages;
      break;
    case Outcome::kFailed:
      summary_.failed_pages += run.pages;
      At(summary_.failures, reason) += run.pages;
      break;
    case Outcome::kNotAttempted:
      summary_.not_attempted_pages += run.pages;
      At(summary_.not_attempted, reason) += run.pages;
      break;
    case Outcome::kWouldMove:
      summary_.would_move_pages += run.pages;
      break;
  }
  const SettledRun settled = {run,
                              outcome,
                              reason,
                              history.source,
                              history.node,
                              history.passes,
                              history.folio_pages};
  AppendMerged(settled, &settled_,
               [](const SettledRun& a, const SettledRun& b) {
                 return a.outcome == b.outcome && a.reason == b.reason &&
                        a.source == b.source && a.node == b.node &&
                        a.passes == b.passes && a.folio_pages == b.folio_pages;
               });
}

void PassBooks::Update(const MoverStatistics& statistics,
                       absl::Duration elapsed) {
  summary_.kernel_calls = statistics.kernel_calls;
  summary_.longest_kernel_call = statistics.longest_kernel_call;
  summary_.companion_pages = statistics.companion_pages;
  summary_.kernel_fidelity_pages = statistics.kernel_fidelity_pages;
  summary_.status_missing = statistics.status_missing;
  summary_.status_wrong = statistics.status_wrong;
  summary_.elapsed = elapsed;
}

void PassBooks::Emit() {
  if (!settled_.empty()) observer_->OnSettled(settled_);
  settled_.clear();
  observer_->OnProgress(summary_);
}

}  // namespace pageferry::core
