// A scenario come to life.

#ifndef PAGEFERRY_SERVER_MODEL_WORLD_H_
#define PAGEFERRY_SERVER_MODEL_WORLD_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/core/clock.h"
#include "server/core/topology.h"
#include "server/model/balloon.h"
#include "server/model/fault_schedule.h"
#include "server/model/machine.h"
#include "server/model/mapping.h"
#include "server/model/model_process.h"
#include "server/model/scenario.h"
#include "server/model/worker_threads.h"

namespace pageferry::model {

// The machine of a scenario with all that is on it. Immutable but for what its
// thread-safe members do.
class World {
 public:
  // Makes everything that the scenario describes and starts its threads and its
  // schedule. `clock` must outlive the world. kInvalidArgument, with line and
  // field, where the pages do not fit; kResourceExhausted where the real
  // machine has no address space for the frames.
  static absl::StatusOr<std::unique_ptr<World>> Create(const Scenario& scenario,
                                                       core::Clock* clock);
  ~World();

  Machine& machine() { return machine_; }
  FaultSchedule& faults() { return faults_; }
  WorkerThreads& threads() { return threads_; }
  const WorkerThreads& threads() const { return threads_; }

  // By pid.
  const std::map<int32_t, std::shared_ptr<ModelProcess>>& processes() const {
    return processes_;
  }

  // By name.
  const std::map<std::string, std::shared_ptr<Mapping>>& files() const {
    return files_;
  }

  // The nodes as they are now. Walks all frames.
  core::Topology ReadTopology() const;

  // Nodes with memory, ascending.
  const std::vector<core::NodeId>& memory_nodes() const {
    return memory_nodes_;
  }
  bool numa_balancing() const { return numa_balancing_; }

 private:
  friend class WorldBuilder;
  World(core::Clock* clock, const MachineTraits& traits);

  Machine machine_;
  core::Topology topology_;  // without memory figures
  std::vector<core::NodeId> memory_nodes_;
  bool numa_balancing_ = false;
  std::map<std::string, std::shared_ptr<Mapping>> files_;
  std::map<std::string, std::shared_ptr<Balloon>> balloons_;
  std::map<int32_t, std::shared_ptr<ModelProcess>> processes_;
  FaultSchedule faults_;
  WorkerThreads threads_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_WORLD_H_
