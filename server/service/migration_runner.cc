#include "server/service/migration_runner.h"

#include <utility>
#include <vector>

#include "server/core/limits.h"
#include "server/core/rate_limiter.h"
#include "server/core/reasons.h"
#include "server/core/refusal.h"

namespace pageferry::service {

MigrationRunner::MigrationRunner(const ServiceContext* context,
                                 const Refuser* refuser)
    : context_(context),
      refuser_(refuser),
      workers_(core::kMaxMigrationsInFlight) {}

absl::Status MigrationRunner::Submit(
    std::unique_ptr<MigrationWork> work, std::string caller,
    std::shared_ptr<const MigrationDescription> description,
    std::shared_ptr<Stream> stream) {
  core::MigrationRequest request;
  request.caller = std::move(caller);
  request.request_id = work->request_id();
  request.mode = work->how().move.mode;
  request.time_budget = work->how().time_budget;
  request.description = std::move(description);
  {
    // Admitted and stored in one step: a worker may take it at once.
    core::MutexLock lock(&mutex_);
    auto migration = context_->registry->Admit(std::move(request));
    if (!migration.ok()) return migration.status();
    stream->OnOver([migration = *migration] {
      migration->control().RequestStop(core::StopReason::kCancelled);
    });
    const std::string& id = (*migration)->id();
    jobs_[id] = {*migration, std::move(work), std::move(stream),
                 context_->clock->Monotonic()};
  }
  workers_.Post([this] { RunAdmitted(); });
  return absl::OkStatus();
}

// One call for each migration that was admitted; but where the registry holds
// sync ones back, the end of another one makes up for it.
void MigrationRunner::RunAdmitted() {
  while (const auto migration = context_->registry->NextToRun()) {
    Run(TakeJob(migration));
  }
}

MigrationRunner::Job MigrationRunner::TakeJob(
    const std::shared_ptr<core::Migration>& migration) {
  core::MutexLock lock(&mutex_);
  return std::move(jobs_.extract(migration->id()).mapped());
}

void MigrationRunner::Run(const Job& job) {
  if (job.stream->over()) {  // gone while it waited
    context_->registry->Withdraw(job.migration);
    job.stream->Finish(grpc::Status::CANCELLED);
    return;
  }
  const absl::Status opened = Open(job);
  if (!opened.ok()) {
    context_->registry->Withdraw(job.migration);
    job.stream->Finish(refuser_->Refuse(core::MethodName(job.work->method()),
                                        job.migration->request().caller,
                                        opened));
    return;
  }
  Migrate(job);
}

// Takes hold of the target, unless the migration was stopped while it waited.
absl::Status MigrationRunner::Open(const Job& job) const {
  const core::StopReason stop = job.migration->control().stop();
  if (stop == core::StopReason::kDraining) {
    return core::Refuse(core::RefusalReason::kShuttingDown,
                        "this daemon is shutting down; retry on its successor");
  }
  if (stop != core::StopReason::kNone) return absl::OkStatus();
  return job.work->Open(context_->backend, job.migration->control());
}

void MigrationRunner::Migrate(const Job& job) {
  MigrationWork& work = *job.work;
  const MigrationPlan& how = work.how();
  const auto account = std::make_shared<MigrationAccount>(
      MigrationAccount::Parties{
          job.migration, job.stream,
          context_->telemetry->StartMigration(work.method(), how.move.mode,
                                              how.move.validate_only),
          context_->registry, job.accepted_at},
      work.method(), how.result_detail);
  v1::MigrationStarted started;
  started.set_migration_id(job.migration->id());
  started.set_backend(std::string(context_->backend->name()));
  started.set_fidelity(static_cast<v1::ModeFidelity>(
      context_->backend->WeakestFidelity(how.move)));
  work.Describe(&started);
  account->Start(std::move(started));

  std::vector<core::RateLimiter*> limiters;
  absl::optional<core::RateLimiter> own_limiter;
  if (how.max_bytes_per_second > 0) {
    limiters.push_back(&own_limiter.emplace(how.max_bytes_per_second));
  }
  if (context_->server_limiter != nullptr) {
    limiters.push_back(context_->server_limiter);
  }
  SetRunning(job.migration->id(), account);
  const absl::optional<core::MigrationSummary> summary =
      account->Close(work.Run(job.migration->control(), limiters, *account));
  SetRunning(job.migration->id(), nullptr);
  if (summary.has_value()) LogEnd(job, *summary);
}

void MigrationRunner::SetRunning(
    const std::string& id, const std::shared_ptr<MigrationAccount>& account) {
  core::MutexLock lock(&mutex_);
  if (account == nullptr) {
    running_.erase(id);
  } else {
    running_[id] = account;
  }
}

void MigrationRunner::CloseDuringCalls() {
  std::map<std::string, std::shared_ptr<MigrationAccount>> running;
  {
    core::MutexLock lock(&mutex_);
    running = running_;
  }
  for (const auto& [id, account] : running) {
    if (!account->CloseDuringCall()) continue;
    context_->log->Error(
        "migration answered while its kernel call had not returned",
        {{"migration_id", id}});
  }
}

void MigrationRunner::LogEnd(const Job& job,
                             const core::MigrationSummary& summary) const {
  const core::MigrationRequest& request = job.migration->request();
  context_->log->Info(
      "migration ended",
      {{"migration_id", job.migration->id()},
       {"request_id", request.request_id},
       {"caller", request.caller},
       {"method", core::MethodName(job.work->method())},
       {"target", job.work->target()},
       {"mode", core::ModeName(request.mode)},
       {"validate_only", job.work->how().move.validate_only},
       {"stop_reason", core::StopReasonName(summary.stop_reason)},
       {"requested_pages", summary.requested_pages},
       {"moved_pages", summary.moved_pages},
       {"already_placed_pages", summary.already_placed_pages},
       {"failed_pages", summary.failed_pages},
       {"not_attempted_pages", summary.not_attempted_pages},
       {"would_move_pages", summary.would_move_pages},
       {"moved_bytes", summary.moved_bytes()},
       {"passes", summary.passes},
       {"retried_pages", summary.retried_pages},
       {"elapsed_seconds", summary.elapsed}});
}

}  // namespace pageferry::service
