#include "client/cli/interruptible.h"

#include <mutex>
#include <utility>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace pageferry::client::cli {
namespace {

// How long the daemon has to take note of a cancel.
constexpr absl::Duration kCancelDeadline = absl::Seconds(10);

}  // namespace

struct Interruptible::State {
  std::mutex mutex;
  std::function<void()> give_up;  // empty between calls
  std::string migration_id;       // empty before it has started
  bool interrupted = false;
};

Interruptible::Interruptible(Interrupter* interrupter,
                             const std::shared_ptr<grpc::Channel>& channel)
    : state_(std::make_shared<State>()),
      client_(channel),
      scope_(interrupter, [this](int count) { OnInterrupt(count); }) {}

void Interruptible::Begin(std::function<void()> give_up) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  if (state_->interrupted) give_up();
  state_->give_up = std::move(give_up);
}

void Interruptible::Started(const std::string& migration_id) {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->migration_id = migration_id;
}

void Interruptible::End() {
  std::lock_guard<std::mutex> lock(state_->mutex);
  state_->give_up = nullptr;
  state_->migration_id.clear();
}

bool Interruptible::interrupted() const {
  std::lock_guard<std::mutex> lock(state_->mutex);
  return state_->interrupted;
}

void Interruptible::OnInterrupt(int count) {
  v1::CancelMigrationRequest request;
  {
    std::lock_guard<std::mutex> lock(state_->mutex);
    state_->interrupted = true;
    if (state_->give_up == nullptr) return;
    if (count > 1 || state_->migration_id.empty()) {
      state_->give_up();
      return;
    }
    request.set_migration_id(state_->migration_id);
  }
  CallOptions options;
  options.deadline = absl::Now() + kCancelDeadline;
  client_.CancelMigration(
      request, options,
      [state = state_, id = request.migration_id()](
          const absl::StatusOr<v1::CancelMigrationResponse>& response) {
        if (response.ok()) return;
        // A daemon that cannot cancel by name still notices that we leave.
        std::lock_guard<std::mutex> lock(state->mutex);
        if (state->migration_id == id && state->give_up != nullptr) {
          state->give_up();
        }
      });
}

}  // namespace pageferry::client::cli
