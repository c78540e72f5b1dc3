#include "server/service/migration_account.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "server/core/reasons.h"
#include "server/service/conversion.h"

namespace pageferry::service {
namespace {

std::vector<core::SettledRun> NotAttempted(
    const std::vector<core::PageRun>& runs, core::Reason reason) {
  std::vector<core::SettledRun> settled;
  for (const core::PageRun& run : runs) {
    core::SettledRun left;
    left.run = run;
    left.outcome = core::Outcome::kNotAttempted;
    left.reason = reason;
    settled.push_back(left);
  }
  return settled;
}

}  // namespace

// Notes how many pages are in a call.
class MigrationAccount::WatchedMover final : public core::BatchMover {
 public:
  WatchedMover(core::BatchMover* mover, std::atomic<uint64_t>* pages_in_call)
      : mover_(mover), pages_in_call_(pages_in_call) {}

  uint32_t preferred_batch_pages() const override {
    return mover_->preferred_batch_pages();
  }

  core::StopReason TryBatch(const core::Batch& batch,
                            const core::MigrationControl& control) override {
    *pages_in_call_ = static_cast<uint64_t>(
        std::count_if(batch.pages.begin(), batch.pages.end(),
                      [](const core::PageAttempt& attempt) {
                        return attempt.answer == core::Answer::kUntried;
                      }));
    const core::StopReason stop = mover_->TryBatch(batch, control);
    *pages_in_call_ = 0;
    return stop;
  }

  const core::MoverStatistics& statistics() const override {
    return mover_->statistics();
  }

 private:
  core::BatchMover* const mover_;
  std::atomic<uint64_t>* const pages_in_call_;
};

MigrationAccount::MigrationAccount(Parties parties, const core::PageList& pages,
                                   v1::ResultDetail detail, int32_t pid)
    : parties_(std::move(parties)),
      pages_(pages),
      events_(parties_.stream.get(), detail, pid),
      ledger_(pages) {}

void MigrationAccount::Start(v1::MigrationStarted started) {
  core::MutexLock lock(&mutex_);
  StopUnless(events_.SendStarted(std::move(started)));
}

void MigrationAccount::OnSettled(absl::Span<const core::SettledRun> runs) {
  core::MutexLock lock(&mutex_);
  if (closed_) return;
  for (const core::SettledRun& run : runs) ledger_.Settle(run.run);
  StopUnless(events_.SendResults(runs));
}

void MigrationAccount::OnPassCompleted(const core::PassFigures& pass) {
  core::MutexLock lock(&mutex_);
  if (!closed_) StopUnless(events_.SendPassCompleted(pass));
}

void MigrationAccount::OnProgress(const core::MigrationSummary& so_far) {
  core::MutexLock lock(&mutex_);
  if (closed_) return;
  so_far_ = so_far;
  parties_.migration->SetProgress(so_far);
  parties_.meter->Update(so_far);
}

absl::optional<core::MigrationSummary> MigrationAccount::Close(
    core::MigrationSummary summary) {
  core::MutexLock lock(&mutex_);
  if (closed_) return absl::nullopt;
  summary.elapsed =
      parties_.migration->control().clock().Monotonic() - parties_.accepted_at;
  CloseLocked(summary, 0);
  return summary;
}

bool MigrationAccount::CloseDuringCall() {
  // Not to be had: the running thread is telling, and in no kernel call.
  if (!mutex_.TryLock()) return false;
  const uint64_t in_call = pages_in_call_;
  const bool in_time = !closed_ && in_call > 0;
  if (in_time) {
    const core::StopReason stop = parties_.migration->control().stop();
    const core::Reason reason = core::ReasonOfStop(stop);
    const std::vector<core::PageRun> unsettled = ledger_.Unsettled();
    core::MigrationSummary summary = so_far_;
    summary.requested_pages = pages_.page_count();
    uint64_t left = 0;
    for (const core::PageRun& run : unsettled) left += run.pages;
    summary.not_attempted_pages += left;
    summary.not_attempted[static_cast<size_t>(reason)] += left;
    summary.stop_reason = stop;
    summary.elapsed = parties_.migration->control().clock().Monotonic() -
                      parties_.accepted_at;
    events_.SendResults(NotAttempted(unsettled, reason));
    CloseLocked(summary, std::min(in_call, left));
  }
  mutex_.Unlock();
  return in_time;
}

// Counted and listed before the client knows, so that whoever has the summary
// finds the same everywhere.
void MigrationAccount::CloseLocked(const core::MigrationSummary& summary,
                                   uint64_t unverified) {
  closed_ = true;
  parties_.meter->End(summary);
  parties_.registry->End(parties_.migration, summary);
  v1::MigrationSummary message = ToProto(summary);
  message.set_unverified_pages(unverified);
  events_.SendSummary(std::move(message));
  parties_.stream->Finish(grpc::Status::OK);
}

void MigrationAccount::StopUnless(bool sent) {
  if (sent) return;
  parties_.migration->control().RequestStop(core::StopReason::kCancelled);
}

std::unique_ptr<core::BatchMover> MigrationAccount::Watch(
    core::BatchMover* mover) {
  return std::make_unique<WatchedMover>(mover, &pages_in_call_);
}

}  // namespace pageferry::service
