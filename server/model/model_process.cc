#include "server/model/model_process.h"

#include <utility>

namespace pageferry::model {

ModelProcess::ModelProcess(Machine* machine, Options options)
    : options_(std::move(options)),
      space_(machine, options_.allocation_order),
      permitted_(options_.permitted),
      allowed_nodes_(options_.allowed_nodes) {}

uint64_t ModelProcess::generation() const {
  core::MutexLock lock(&mutex_);
  return generation_;
}

bool ModelProcess::exited() const {
  core::MutexLock lock(&mutex_);
  return exited_;
}

void ModelProcess::Exit() {
  {
    core::MutexLock lock(&mutex_);
    ++generation_;
    exited_ = true;
  }
  space_.Exit();
}

void ModelProcess::Exec() {
  {
    core::MutexLock lock(&mutex_);
    ++generation_;
  }
  space_.Exit();
}

bool ModelProcess::Allows(core::NodeId node) const {
  core::MutexLock lock(&mutex_);
  return allowed_nodes_.count(node) > 0;
}

void ModelProcess::SetAllowedNodes(std::set<core::NodeId> nodes) {
  core::MutexLock lock(&mutex_);
  allowed_nodes_ = std::move(nodes);
}

bool ModelProcess::permitted() const {
  core::MutexLock lock(&mutex_);
  return permitted_;
}

void ModelProcess::RevokePermission() {
  core::MutexLock lock(&mutex_);
  permitted_ = false;
}

}  // namespace pageferry::model
