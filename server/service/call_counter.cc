#include "server/service/call_counter.h"

namespace pageferry::service {

void CallCounter::Begin() {
  core::MutexLock lock(&mutex_);
  ++open_;
}

void CallCounter::End() {
  core::MutexLock lock(&mutex_);
  --open_;
  changed_.NotifyAll();
}

bool CallCounter::AwaitNone(absl::Duration timeout) {
  core::MutexLock lock(&mutex_);
  const absl::Duration end = clock_->Monotonic() + timeout;
  while (open_ > 0) {
    const absl::Duration left = end - clock_->Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    clock_->WaitFor(&mutex_, &changed_, left);
  }
  return true;
}

}  // namespace pageferry::service
