// The migrations that wait, run, and ended of late; and the admission of new
// ones.

#ifndef PAGEFERRY_SERVER_CORE_REGISTRY_H_
#define PAGEFERRY_SERVER_CORE_REGISTRY_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/clock.h"
#include "server/core/control.h"
#include "server/core/limits.h"
#include "server/core/mutex.h"
#include "server/core/summary.h"
#include "server/core/types.h"

namespace pageferry::core {

enum class MigrationState { kQueued = 1, kRunning = 2, kEnded = 3 };

// Who asks for what, as far as the registry cares. `description` is the
// service's own: what ListMigrations shows of the request, kept unread.
struct MigrationRequest {
  std::string caller;      // authenticated name of the caller
  std::string request_id;  // empty: none
  Mode mode = Mode::kAsync;
  absl::Duration time_budget = absl::InfiniteDuration();
  std::shared_ptr<const void> description;
};

// One migration, shared by the thread that runs it and those who look at it.
// Thread-safe.
class Migration {
 public:
  // `number` counts the migrations of this daemon from 1.
  Migration(std::string id, uint64_t number, MigrationRequest request,
            absl::Time start_time, Clock* clock, absl::Duration deadline);

  const std::string& id() const { return id_; }
  uint64_t number() const { return number_; }
  const MigrationRequest& request() const { return request_; }
  absl::Time start_time() const { return start_time_; }
  MigrationControl& control() { return control_; }

  MigrationState state() const;
  MigrationSummary progress() const;

  // Called by the thread that runs it.
  void SetProgress(const MigrationSummary& so_far);

 private:
  friend class MigrationRegistry;
  void SetState(MigrationState state);

  const std::string id_;
  const uint64_t number_;
  const MigrationRequest request_;
  const absl::Time start_time_;
  MigrationControl control_;
  mutable Mutex mutex_;
  MigrationState state_ ABSL_GUARDED_BY(mutex_) = MigrationState::kQueued;
  MigrationSummary progress_ ABSL_GUARDED_BY(mutex_);
};

// Thread-safe.
class MigrationRegistry {
 public:
  struct Options {
    uint32_t max_in_flight = kMaxMigrationsInFlight;
    uint32_t max_sync_in_flight = kMaxSyncMigrationsInFlight;
    uint32_t max_queued = kMaxMigrationsQueued;
    uint32_t max_ended = kMaxEndedMigrations;
  };

  // `clock` must outlive this.
  MigrationRegistry(const Options& options, Clock* clock);

  // Takes a migration in, as queued. Refuses with kShuttingDown after
  // BeginDrain(), with kRequestIdRunning when the caller has one with this
  // request_id, with kTooManyMigrations when the queue is full.
  absl::StatusOr<std::shared_ptr<Migration>> Admit(MigrationRequest request);

  // The next migration to run, in order of admission but for sync ones while
  // their share is used up; it is running then. Null when there is none. The
  // caller must run it and call End() or Withdraw().
  std::shared_ptr<Migration> NextToRun();

  // Ends a running migration with its final figures.
  void End(const std::shared_ptr<Migration>& migration,
           const MigrationSummary& summary);

  // Forgets a migration that was refused before it started.
  void Withdraw(const std::shared_ptr<Migration>& migration);

  // The migration with this id, or null.
  std::shared_ptr<Migration> Find(absl::string_view id) const;

  // All that are known, newest first.
  std::vector<std::shared_ptr<Migration>> List() const;

  // Refuses new migrations from now on and asks all others to stop.
  void BeginDrain();

  // kShuttingDown after BeginDrain().
  absl::Status CheckNotDraining() const;
  bool draining() const;

  // Waits until none is queued or running, or `timeout` has passed; returns
  // whether none is. Blocks.
  bool AwaitIdle(absl::Duration timeout);

  // Queued and running migrations of a mode.
  uint32_t queued(Mode mode) const;
  uint32_t running(Mode mode) const;

 private:
  // The queued or running migration with that caller and request_id, or null.
  std::shared_ptr<Migration> FindDouble(const MigrationRequest& request) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool Idle() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(const std::shared_ptr<Migration>& migration)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  Clock* const clock_;
  const std::string id_prefix_;  // random, differs with each start
  mutable Mutex mutex_;
  CondVar changed_;
  bool draining_ ABSL_GUARDED_BY(mutex_) = false;
  uint64_t next_number_ ABSL_GUARDED_BY(mutex_) = 1;
  std::deque<std::shared_ptr<Migration>> queued_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::shared_ptr<Migration>> running_ ABSL_GUARDED_BY(mutex_);
  std::deque<std::shared_ptr<Migration>> ended_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_REGISTRY_H_
