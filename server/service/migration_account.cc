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

MigrationAccount::MigrationAccount(Parties parties, core::Method method,
                                   v1::ResultDetail detail)
    : parties_(std::move(parties)),
      events_(parties_.stream.get(), method, detail) {}

void MigrationAccount::Start(v1::MigrationStarted started) {
  core::MutexLock lock(&mutex_);
  StopUnless(events_.SendStarted(std::move(started)));
}

void MigrationAccount::OnProcessJoined(core::ProcessId process) {
  core::MutexLock lock(&mutex_);
  if (!closed_) StopUnless(events_.SendProcessJoined(process));
}

void MigrationAccount::OnPiece(core::ProcessId process,
                               const core::PageList& pages) {
  core::MutexLock lock(&mutex_);
  process_ = process;
  ledger_ = PageLedger(pages);
  so_far_.requested_pages += pages.page_count();
}

void MigrationAccount::OnSettled(absl::Span<const core::SettledRun> runs) {
  core::MutexLock lock(&mutex_);
  if (closed_) return;
  for (const core::SettledRun& run : runs) ledger_.Settle(run.run);
  StopUnless(events_.SendResults(process_.pid, runs));
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
    uint64_t left = 0;
    for (const core::PageRun& run : unsettled) left += run.pages;
    summary.not_attempted_pages += left;
    summary.not_attempted[static_cast<size_t>(reason)] += left;
    summary.stop_reason = stop;
    summary.elapsed = parties_.migration->control().clock().Monotonic() -
                      parties_.accepted_at;
    events_.SendResults(process_.pid, NotAttempted(unsettled, reason));
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

}  // namespace pageferry::service
