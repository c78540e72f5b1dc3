#include "server/model/trace.h"

namespace pageferry::model {

void TraceRing::Add(const MigrateTrace& record) {
  core::MutexLock lock(&mutex_);
  if (records_.size() == kCapacity) records_.pop_front();
  records_.push_back(record);
}

std::vector<MigrateTrace> TraceRing::Read() const {
  core::MutexLock lock(&mutex_);
  return {records_.begin(), records_.end()};
}

}  // namespace pageferry::model
