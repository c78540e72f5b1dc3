// A modelled process: an identity, an address space, and what it may use.

#ifndef PAGEFERRY_SERVER_MODEL_MODEL_PROCESS_H_
#define PAGEFERRY_SERVER_MODEL_MODEL_PROCESS_H_

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/model/address_space.h"

namespace pageferry::model {

// Thread-safe.
class ModelProcess {
 public:
  struct Options {
    core::ProcessId id;
    std::string name;
    // cgroup v2 path; empty for none.
    std::string cgroup;
    // A kernel thread, a zombie or pid 1: there is nothing to move.
    bool movable = true;
    // Whether the service may look at its memory and move it.
    bool permitted = true;
    // Nodes of its cpuset.
    std::set<core::NodeId> allowed_nodes;
    // Where its new pages come from, in order.
    std::vector<core::NodeId> allocation_order;
  };

  ModelProcess(Machine* machine, Options options);

  const core::ProcessId& id() const { return options_.id; }
  const std::string& name() const { return options_.name; }
  const std::string& cgroup() const { return options_.cgroup; }
  bool movable() const { return options_.movable; }
  AddressSpace& space() { return space_; }

  // A number that changes with each exec and with the exit; whoever holds on to
  // the process compares.
  uint64_t generation() const;
  bool exited() const;

  // Ends the process, or replaces its program: its memory is gone.
  void Exit();
  void Exec();

  bool Allows(core::NodeId node) const;
  void SetAllowedNodes(std::set<core::NodeId> nodes);

  // Whether the service may look at its memory and move it, still.
  bool permitted() const;
  void RevokePermission();

 private:
  const Options options_;
  AddressSpace space_;
  mutable core::Mutex mutex_;
  uint64_t generation_ ABSL_GUARDED_BY(mutex_) = 0;
  bool exited_ ABSL_GUARDED_BY(mutex_) = false;
  bool permitted_ ABSL_GUARDED_BY(mutex_);
  std::set<core::NodeId> allowed_nodes_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MODEL_PROCESS_H_
