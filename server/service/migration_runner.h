// Runs the migrations that the registry has admitted, each on a thread of its
// own, from the opening of the target to the last message.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_RUNNER_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_RUNNER_H_

#include <map>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"
#include "server/core/registry.h"
#include "server/service/conversion.h"
#include "server/service/migration_account.h"
#include "server/service/migration_work.h"
#include "server/service/refuser.h"
#include "server/service/service_context.h"
#include "server/service/stream.h"
#include "server/service/worker_pool.h"

namespace pageferry::service {

// Thread-safe.
class MigrationRunner {
 public:
  // `context` and `refuser` must outlive this.
  MigrationRunner(const ServiceContext* context, const Refuser* refuser);

  // Admits the migration and has it run; `stream` gets its events and its end.
  // On an error, which is the registry's refusal, `stream` is untouched. Does
  // not block.
  absl::Status Submit(std::unique_ptr<MigrationWork> work, std::string caller,
                      std::shared_ptr<const MigrationDescription> description,
                      std::shared_ptr<Stream> stream);

  // Answers for the migrations whose kernel call does not return; see
  // MigrationAccount::CloseDuringCall().
  void CloseDuringCalls();

 private:
  // A migration, its request, and where its events go.
  struct Job {
    std::shared_ptr<core::Migration> migration;
    std::unique_ptr<MigrationWork> work;
    std::shared_ptr<Stream> stream;
    absl::Duration accepted_at;  // by Clock::Monotonic()
  };
  void RunAdmitted();
  Job TakeJob(const std::shared_ptr<core::Migration>& migration);
  void Run(const Job& job);
  absl::Status Open(const Job& job) const;
  void Migrate(const Job& job);
  // Null: it runs no more.
  void SetRunning(const std::string& id,
                  const std::shared_ptr<MigrationAccount>& account);
  void LogEnd(const Job& job, const core::MigrationSummary& summary) const;

  const ServiceContext* const context_;
  const Refuser* const refuser_;
  core::Mutex mutex_;
  // By migration id: those that wait, and those that run.
  std::map<std::string, Job> jobs_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::shared_ptr<MigrationAccount>> running_
      ABSL_GUARDED_BY(mutex_);
  // Last, so that its threads end before what they use.
  WorkerPool workers_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_RUNNER_H_
