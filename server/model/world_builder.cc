#include "server/model/world_builder.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "server/model/buffers.h"
#include "server/model/populate.h"

namespace pageferry::model {
namespace {

using core::NodeId;

constexpr int32_t kLocalDistance = 10;
constexpr int32_t kRemoteDistance = 20;

MappingOperations OperationsOf(const v1::File& file) {
  MappingOperations operations;
  if (file.migrate() != v1::MIGRATE_OPERATION_UNSPECIFIED) {
    constexpr int kFirst = v1::MIGRATE_OPERATION_PLAIN;
    operations.migrate = static_cast<MigrateOperation>(file.migrate() - kFirst);
  }
  if (file.writepage() == v1::WRITEPAGE_OPERATION_FAILS) {
    operations.writepage = WritepageOperation::kFails;
  } else if (file.writepage() == v1::WRITEPAGE_OPERATION_NONE) {
    operations.writepage = WritepageOperation::kNone;
  }
  operations.releases_private = !file.keeps_private_data();
  operations.write_latency = absl::Milliseconds(file.write_latency_ms());
  return operations;
}

// Gives a page in the cache its private data.
void AddPrivateData(Page& page, const v1::File& file) {
  page.Set(PageFlag::kPrivate);
  page.Get();
  if (file.migrate() == v1::MIGRATE_OPERATION_BUFFER) {
    page.buffers = std::make_shared<Buffers>(&page);
  }
}

MachineTraits TraitsOf(const v1::Traits& traits) {
  MachineTraits result;
  result.linux_4_0_quirks = traits.linux_4_0_quirks();
  result.hides_numa_hints = traits.hides_numa_hints();
  result.hugetlb_migration = !traits.no_hugetlb_migration();
  result.callers_reclaim_memory = traits.callers_reclaim_memory();
  return result;
}

// Nodes of the next slower tier, nearest first.
void SetDemotionOrders(core::Topology& topology) {
  for (core::Node& node : topology.nodes) {
    absl::optional<int32_t> next_tier;
    for (const core::Node& other : topology.nodes) {
      if (node.tier.has_value() && other.has_memory && other.tier > node.tier &&
          (!next_tier.has_value() || other.tier < next_tier)) {
        next_tier = other.tier;
      }
    }
    if (!next_tier.has_value()) continue;
    std::vector<std::pair<int32_t, NodeId>> by_distance;
    for (size_t i = 0; i < topology.nodes.size(); ++i) {
      const core::Node& other = topology.nodes[i];
      if (other.has_memory && other.tier == next_tier) {
        by_distance.emplace_back(node.distances[i].second, other.id);
      }
    }
    std::sort(by_distance.begin(), by_distance.end());
    for (const auto& [distance, id] : by_distance) {
      node.demotion_order.push_back(id);
    }
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<World>> World::Create(const Scenario& scenario,
                                                     core::Clock* clock) {
  return WorldBuilder(&scenario, clock).Build();
}

WorldBuilder::WorldBuilder(const Scenario* scenario, core::Clock* clock)
    : scenario_(*scenario),
      random_(scenario->proto().seed()),
      world_(new World(clock, TraitsOf(scenario->proto().traits()))) {
  world_->numa_balancing_ = scenario->proto().traits().numa_balancing();
}

absl::StatusOr<std::unique_ptr<World>> WorldBuilder::Build() {
  absl::Status status = BuildNodes();
  if (status.ok()) status = BuildFiles();
  if (status.ok()) status = BuildBalloons();
  const v1::Scenario& proto = scenario_.proto();
  for (int i = 0; i < proto.processes_size() && status.ok(); ++i) {
    status =
        BuildProcess(absl::StrCat("processes[", i, "]"), proto.processes(i));
  }
  if (!status.ok()) return status;
  ScheduleFaults();
  world_->faults_.Start();
  StartThreads();
  return std::move(world_);
}

absl::Status WorldBuilder::NodeFull(const std::string& path,
                                    NodeId node) const {
  return scenario_.Error(
      absl::StrCat(path, ".pages"),
      absl::StrCat("node ", node.value(), " has no room left for them"));
}

absl::Status WorldBuilder::BuildNodes() {
  const auto& nodes = scenario_.proto().nodes();
  for (const v1::Node& node : nodes) {
    core::Node result;
    result.id = NodeId(node.id());
    result.has_cpu = node.has_cpu();
    result.has_memory = node.capacity_pages() > 0;
    if (node.has_tier()) result.tier = node.tier();
    for (int i = 0; i < nodes.size(); ++i) {
      const int32_t usual =
          nodes[i].id() == node.id() ? kLocalDistance : kRemoteDistance;
      result.distances.emplace_back(
          NodeId(nodes[i].id()),
          node.distances().empty() ? usual : node.distances(i));
    }
    std::sort(result.distances.begin(), result.distances.end());
    core::NodePerformance& performance = result.performance;
    if (node.has_read_latency_ns()) {
      performance.read_latency_ns = node.read_latency_ns();
    }
    if (node.has_write_latency_ns()) {
      performance.write_latency_ns = node.write_latency_ns();
    }
    if (node.has_read_bandwidth_mbps()) {
      performance.read_bandwidth_mbps = node.read_bandwidth_mbps();
    }
    if (node.has_write_bandwidth_mbps()) {
      performance.write_bandwidth_mbps = node.write_bandwidth_mbps();
    }
    world_->topology_.nodes.push_back(std::move(result));
    if (node.capacity_pages() == 0) continue;
    const absl::Status added = world_->machine_.memory.AddNode(
        NodeId(node.id()), node.capacity_pages());
    if (!added.ok()) return added;
    world_->memory_nodes_.emplace_back(node.id());
  }
  std::sort(
      world_->topology_.nodes.begin(), world_->topology_.nodes.end(),
      [](const core::Node& a, const core::Node& b) { return a.id < b.id; });
  std::sort(world_->memory_nodes_.begin(), world_->memory_nodes_.end());
  SetDemotionOrders(world_->topology_);
  return absl::OkStatus();
}

absl::Status WorldBuilder::BuildFiles() {
  const auto& files = scenario_.proto().files();
  for (int i = 0; i < files.size(); ++i) {
    const v1::File& file = files[i];
    const auto mapping = std::make_shared<Mapping>(OperationsOf(file));
    NodeDraw draw(file.placements(), &random_);
    for (uint64_t index = 0; index < file.pages(); ++index) {
      const NodeId node = draw.Next();
      Page* const page =
          PopulateFile(world_->machine_, mapping, index, node, random_());
      if (page == nullptr) {
        return NodeFull(absl::StrCat("files[", i, "]"), node);
      }
      if (file.dirty()) page->Set(PageFlag::kDirty);
      if (file.private_data()) AddPrivateData(*page, file);
    }
    world_->files_[file.name()] = mapping;
  }
  return absl::OkStatus();
}

absl::Status WorldBuilder::BuildBalloons() {
  const auto& balloons = scenario_.proto().balloons();
  for (int i = 0; i < balloons.size(); ++i) {
    const auto balloon =
        std::make_shared<Balloon>(!balloons[i].refuses_migration());
    NodeDraw draw(balloons[i].placements(), &random_);
    for (uint64_t index = 0; index < balloons[i].pages(); ++index) {
      const NodeId node = draw.Next();
      if (PopulateBalloon(world_->machine_, balloon, index, node) == nullptr) {
        return NodeFull(absl::StrCat("balloons[", i, "]"), node);
      }
    }
    world_->balloons_[balloons[i].name()] = balloon;
  }
  return absl::OkStatus();
}

}  // namespace pageferry::model
