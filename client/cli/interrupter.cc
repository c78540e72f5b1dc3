#include "client/cli/interrupter.h"

#include <utility>

namespace pageferry::client::cli {

Interrupter::Scope::Scope(Interrupter* interrupter, Action action)
    : interrupter_(interrupter) {
  std::lock_guard<std::mutex> lock(interrupter_->mutex_);
  interrupter_->action_ = std::move(action);
}

Interrupter::Scope::~Scope() {
  std::lock_guard<std::mutex> lock(interrupter_->mutex_);
  interrupter_->action_ = nullptr;
}

bool Interrupter::Interrupt() {
  std::lock_guard<std::mutex> lock(mutex_);
  if (action_ == nullptr) return false;
  action_(++count_);
  return true;
}

}  // namespace pageferry::client::cli
