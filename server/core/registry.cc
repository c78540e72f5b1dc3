#include "server/core/registry.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "server/core/refusal.h"

namespace pageferry::core {
namespace {

// How long a caller that was refused should wait: about as long as a migration
// of a few thousand pages takes.
constexpr absl::Duration kRetryDelay = absl::Milliseconds(200);

// 64 random bits: two nodes, or two runs of one daemon, do not share it.
std::string RandomPrefix() {
  std::random_device device;
  const uint64_t high = device();
  const uint64_t low = device();
  return absl::StrFormat("%016x", (high << 32) | (low & 0xffffffffu));
}

absl::Status ShuttingDown() {
  return Refuse(RefusalReason::kShuttingDown,
                "this daemon is shutting down; retry on its successor");
}

uint32_t CountMode(const auto& migrations, Mode mode) {
  return static_cast<uint32_t>(std::count_if(
      migrations.begin(), migrations.end(),
      [mode](const auto& m) { return m->request().mode == mode; }));
}

}  // namespace

Migration::Migration(std::string id, uint64_t number, MigrationRequest request,
                     absl::Time start_time, Clock* clock,
                     absl::Duration deadline)
    : id_(std::move(id)),
      number_(number),
      request_(std::move(request)),
      start_time_(start_time),
      control_(clock, deadline) {}

MigrationState Migration::state() const {
  MutexLock lock(&mutex_);
  return state_;
}

MigrationSummary Migration::progress() const {
  MutexLock lock(&mutex_);
  return progress_;
}

void Migration::SetProgress(const MigrationSummary& so_far) {
  MutexLock lock(&mutex_);
  progress_ = so_far;
}

void Migration::SetState(MigrationState state) {
  MutexLock lock(&mutex_);
  state_ = state;
}

MigrationRegistry::MigrationRegistry(const Options& options, Clock* clock)
    : options_(options), clock_(clock), id_prefix_(RandomPrefix()) {}

absl::StatusOr<std::shared_ptr<Migration>> MigrationRegistry::Admit(
    MigrationRequest request) {
  MutexLock lock(&mutex_);
  if (draining_) return ShuttingDown();
  if (const std::shared_ptr<Migration> twin = FindDouble(request)) {
    Refusal refusal;
    refusal.reason = RefusalReason::kRequestIdRunning;
    refusal.message =
        absl::StrCat("migration ", twin->id(), " runs under request_id \"",
                     request.request_id, "\"; wait for it, or cancel it");
    refusal.migration_id = twin->id();
    refusal.retry_delay = kRetryDelay;
    return ToStatus(refusal);
  }
  if (queued_.size() >= options_.max_queued) {
    Refusal refusal;
    refusal.reason = RefusalReason::kTooManyMigrations;
    refusal.message =
        absl::StrCat(running_.size(), " migrations run and ", queued_.size(),
                     " wait, which is the limit; retry after the delay");
    refusal.retry_delay = kRetryDelay;
    return ToStatus(refusal);
  }
  const absl::Duration deadline = clock_->Monotonic() + request.time_budget;
  const uint64_t number = next_number_++;
  auto migration = std::make_shared<Migration>(
      absl::StrCat(id_prefix_, "-", number), number, std::move(request),
      clock_->WallTime(), clock_, deadline);
  queued_.push_back(migration);
  return migration;
}

std::shared_ptr<Migration> MigrationRegistry::FindDouble(
    const MigrationRequest& request) const {
  if (request.request_id.empty()) return nullptr;
  const auto same = [&request](const std::shared_ptr<Migration>& other) {
    return other->request().request_id == request.request_id &&
           other->request().caller == request.caller;
  };
  const auto runs = std::find_if(running_.begin(), running_.end(), same);
  if (runs != running_.end()) return *runs;
  const auto waits = std::find_if(queued_.begin(), queued_.end(), same);
  return waits != queued_.end() ? *waits : nullptr;
}

std::shared_ptr<Migration> MigrationRegistry::NextToRun() {
  MutexLock lock(&mutex_);
  if (running_.size() >= options_.max_in_flight) return nullptr;
  const bool sync_allowed =
      CountMode(running_, Mode::kSync) < options_.max_sync_in_flight;
  const auto next = std::find_if(
      queued_.begin(), queued_.end(), [&](const std::shared_ptr<Migration>& m) {
        return sync_allowed || m->request().mode != Mode::kSync;
      });
  if (next == queued_.end()) return nullptr;
  std::shared_ptr<Migration> migration = *next;
  queued_.erase(next);
  running_.push_back(migration);
  migration->SetState(MigrationState::kRunning);
  return migration;
}

void MigrationRegistry::Forget(const std::shared_ptr<Migration>& migration) {
  std::erase(running_, migration);
  std::erase(queued_, migration);
  changed_.NotifyAll();
}

void MigrationRegistry::End(const std::shared_ptr<Migration>& migration,
                            const MigrationSummary& summary) {
  migration->SetProgress(summary);
  migration->SetState(MigrationState::kEnded);
  MutexLock lock(&mutex_);
  Forget(migration);
  ended_.push_front(migration);
  if (ended_.size() > options_.max_ended) ended_.pop_back();
}

void MigrationRegistry::Withdraw(const std::shared_ptr<Migration>& migration) {
  MutexLock lock(&mutex_);
  Forget(migration);
}

std::shared_ptr<Migration> MigrationRegistry::Find(absl::string_view id) const {
  for (const std::shared_ptr<Migration>& migration : List()) {
    if (migration->id() == id) return migration;
  }
  return nullptr;
}

std::vector<std::shared_ptr<Migration>> MigrationRegistry::List() const {
  MutexLock lock(&mutex_);
  std::vector<std::shared_ptr<Migration>> all(queued_.begin(), queued_.end());
  all.insert(all.end(), running_.begin(), running_.end());
  all.insert(all.end(), ended_.begin(), ended_.end());
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) {
    return a->number() > b->number();
  });
  return all;
}

void MigrationRegistry::BeginDrain() {
  MutexLock lock(&mutex_);
  draining_ = true;
  for (const auto& migration : queued_) {
    migration->control().RequestStop(StopReason::kDraining);
  }
  for (const auto& migration : running_) {
    migration->control().RequestStop(StopReason::kDraining);
  }
}

bool MigrationRegistry::Idle() const {
  return queued_.empty() && running_.empty();
}

absl::Status MigrationRegistry::CheckNotDraining() const {
  return draining() ? ShuttingDown() : absl::OkStatus();
}

bool MigrationRegistry::draining() const {
  MutexLock lock(&mutex_);
  return draining_;
}

bool MigrationRegistry::AwaitIdle(absl::Duration timeout) {
  MutexLock lock(&mutex_);
  const absl::Duration end = clock_->Monotonic() + timeout;
  while (!Idle()) {
    const absl::Duration left = end - clock_->Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    clock_->WaitFor(&mutex_, &changed_, left);
  }
  return true;
}

uint32_t MigrationRegistry::queued(Mode mode) const {
  MutexLock lock(&mutex_);
  return CountMode(queued_, mode);
}

uint32_t MigrationRegistry::running(Mode mode) const {
  MutexLock lock(&mutex_);
  return CountMode(running_, mode);
}

}  // namespace pageferry::core
