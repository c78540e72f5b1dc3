// Keeps the account of a migration that runs: tells its client, its meter and
// those who list it what happens, and closes once, with a summary.
//
// It is closed by the thread that runs the migration; or, when that is in a
// kernel call that does not return and the daemon has to end, by another one,
// which can say of what is left only that it was not verified.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_ACCOUNT_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_ACCOUNT_H_

#include <atomic>
#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/batch_mover.h"
#include "server/core/migrate_pages.h"
#include "server/core/mutex.h"
#include "server/core/page_list.h"
#include "server/core/registry.h"
#include "server/core/telemetry.h"
#include "server/service/migration_stream.h"
#include "server/service/page_ledger.h"
#include "server/service/stream.h"

namespace pageferry::service {

// The observer's methods and Close() are the running thread's; they block while
// the client is slow. When the client is gone, the migration is asked to stop.
class MigrationAccount final : public core::MigrationObserver {
 public:
  struct Parties {
    std::shared_ptr<core::Migration> migration;
    std::shared_ptr<Stream> stream;
    std::unique_ptr<core::MigrationMeter> meter;
    core::MigrationRegistry* registry = nullptr;  // outlives the account
    absl::Duration accepted_at;                   // by Clock::Monotonic()
  };

  // `pages` must outlive this.
  MigrationAccount(Parties parties, const core::PageList& pages,
                   v1::ResultDetail detail, int32_t pid);

  void Start(v1::MigrationStarted started);

  void OnSettled(absl::Span<const core::SettledRun> runs) override;
  void OnPassCompleted(const core::PassFigures& pass) override;
  void OnProgress(const core::MigrationSummary& so_far) override;

  // Ends the migration everywhere, with the figures of the loop. Returns the
  // final ones, or nothing when it was closed from outside.
  absl::optional<core::MigrationSummary> Close(core::MigrationSummary summary);

  // Ends the migration everywhere, if its thread is in a kernel call now: pages
  // that are left are not attempted, and those of the call unverified. To be
  // used only where the process is about to end. Thread-safe. Blocks while the
  // client is slow.
  bool CloseDuringCall();

  // A mover that does what `mover` does, while this takes note of its calls.
  // Both must outlive it.
  std::unique_ptr<core::BatchMover> Watch(core::BatchMover* mover);

 private:
  class WatchedMover;

  void StopUnless(bool sent);
  void CloseLocked(const core::MigrationSummary& summary, uint64_t unverified)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Parties parties_;
  const core::PageList& pages_;
  // Pages of the kernel call that runs; 0 when none does.
  std::atomic<uint64_t> pages_in_call_ = 0;
  // Held by the running thread while it tells; so whoever gets it otherwise
  // finds the account in a consistent state.
  core::Mutex mutex_;
  MigrationStream events_ ABSL_GUARDED_BY(mutex_);
  PageLedger ledger_ ABSL_GUARDED_BY(mutex_);
  core::MigrationSummary so_far_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_ACCOUNT_H_
