// Builds a World from a scenario.

#ifndef PAGEFERRY_SERVER_MODEL_WORLD_BUILDER_H_
#define PAGEFERRY_SERVER_MODEL_WORLD_BUILDER_H_

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/model/scenario.h"
#include "server/model/world.h"

namespace pageferry::model {

// Draws nodes for pages, in proportion to the weights of placements.
class NodeDraw {
 public:
  template <typename Placements>
  NodeDraw(const Placements& placements, std::mt19937_64* random)
      : random_(*random) {
    for (const v1::Placement& placement : placements) {
      nodes_.emplace_back(placement.node());
      total_ += std::max(placement.weight(), 1u);
      ends_.push_back(total_);
    }
  }

  core::NodeId Next() {
    if (nodes_.size() == 1) return nodes_.front();
    const uint64_t drawn = random_() % total_;
    return nodes_[std::upper_bound(ends_.begin(), ends_.end(), drawn) -
                  ends_.begin()];
  }

 private:
  std::mt19937_64& random_;
  std::vector<core::NodeId> nodes_;
  std::vector<uint64_t> ends_;
  uint64_t total_ = 0;
};

// Used once, by one thread. Chance comes from the scenario's seed alone, in the
// order of the scenario's fields.
class WorldBuilder {
 public:
  // Both must outlive this.
  WorldBuilder(const Scenario* scenario, core::Clock* clock);

  absl::StatusOr<std::unique_ptr<World>> Build();

 private:
  absl::Status BuildNodes();
  absl::Status BuildFiles();
  absl::Status BuildBalloons();
  absl::Status BuildProcess(const std::string& path,
                            const v1::Process& process);
  absl::Status BuildRegion(const std::string& path, const v1::Region& region,
                           ModelProcess& process);
  absl::Status Populate(const std::string& path, const v1::Region& region,
                        Vma& vma);
  absl::Status PopulateWithPages(const std::string& path,
                                 const v1::Region& region, Vma& vma,
                                 uint32_t pages);
  absl::Status PopulateMerged(const std::string& path, const v1::Region& region,
                              Vma& vma);
  void ScheduleFaults();
  void ScheduleEvents();
  void ScheduleRandomFaults(const v1::RandomPageFaults& faults);
  void StartThreads();
  std::unique_ptr<Vma> MakeVma(const v1::Region& region) const;
  absl::Status NodeFull(const std::string& path, core::NodeId node) const;

  const Scenario& scenario_;
  std::mt19937_64 random_;
  std::unique_ptr<World> world_;
  // KSM pages by place in their regions.
  std::map<uint64_t, Page*> merged_pages_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_WORLD_BUILDER_H_
