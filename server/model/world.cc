#include "server/model/world.h"

#include <utility>

namespace pageferry::model {

World::World(core::Clock* clock, const MachineTraits& traits)
    : machine_(clock, traits), faults_(&machine_) {
  machine_.faults = &faults_;
}

World::~World() {
  // A thread that waits for what a fault holds would never end.
  faults_.EndAllHolds();
  threads_.Stop();
}

core::Topology World::ReadTopology() const {
  struct Used {
    uint64_t file_pages = 0;
    uint64_t anonymous_pages = 0;
  };
  std::map<core::NodeId, Used> used;
  machine_.memory.ForEachUsedFrame([&](Page& page) {
    const Page& head = *page.head.load(std::memory_order_acquire);
    if (head.Has(PageFlag::kHugetlb) || head.Has(PageFlag::kBalloon)) return;
    if (head.Has(PageFlag::kAnon)) {
      ++used[page.node].anonymous_pages;
    } else if (head.Has(PageFlag::kUptodate)) {
      ++used[page.node].file_pages;
    }
  });
  core::Topology topology = topology_;
  for (core::Node& node : topology.nodes) {
    const FrameArena* const arena = machine_.memory.arena(node.id);
    if (arena == nullptr) continue;
    node.memory.total_bytes = arena->capacity_pages() * core::kPageBytes;
    node.memory.free_bytes = arena->free_pages() * core::kPageBytes;
    node.memory.file_bytes = used[node.id].file_pages * core::kPageBytes;
    node.memory.anonymous_bytes =
        used[node.id].anonymous_pages * core::kPageBytes;
  }
  return topology;
}

}  // namespace pageferry::model
