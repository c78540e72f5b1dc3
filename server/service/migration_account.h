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
#include "server/core/migrate_process.h"
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
class MigrationAccount final : public core::ProcessObserver {
 public:
  struct Parties {
    std::shared_ptr<core::Migration> migration;
    std::shared_ptr<Stream> stream;
    std::unique_ptr<core::MigrationMeter> meter;
    core::MigrationRegistry* registry = nullptr;  // outlives the account
    absl::Duration accepted_at;                   // by Clock::Monotonic()
  };

  MigrationAccount(Parties parties, core::Method method,
                   v1::ResultDetail detail);

  void Start(v1::MigrationStarted started);
  // A process of the target was found meanwhile.
  void OnProcessJoined(core::ProcessId process);

  void OnPiece(core::ProcessId process, const core::PageList& pages) override;
  void OnTrying(uint64_t pages) override { pages_in_call_ = pages; }
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

 private:
  void StopUnless(bool sent);
  void CloseLocked(const core::MigrationSummary& summary, uint64_t unverified)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Parties parties_;
  // Pages of the kernel call that runs; 0 when none does.
  std::atomic<uint64_t> pages_in_call_ = 0;
  // Held by the running thread while it tells; so whoever gets it otherwise
  // finds the account in a consistent state.
  core::Mutex mutex_;
  MigrationStream events_ ABSL_GUARDED_BY(mutex_);
  // Of the piece at hand.
  core::ProcessId process_ ABSL_GUARDED_BY(mutex_);
  PageLedger ledger_ ABSL_GUARDED_BY(mutex_);
  core::MigrationSummary so_far_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_ACCOUNT_H_
