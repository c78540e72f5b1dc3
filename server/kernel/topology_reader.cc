#include "server/kernel/topology_reader.h"

#include <algorithm>
#include <limits>
#include <map>
#include <tuple>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "server/kernel/cpuset.h"

namespace pageferry::kernel {
namespace {

using core::Node;
using core::NodeId;

std::string NodeRoot(const std::string& sys_root) {
  return sys_root + "/devices/system/node";
}

std::vector<NodeId> ReadNodes(SystemCalls& system, const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(system, path);
  if (!text.ok()) return {};
  return ParseNodeList(*text).value_or(std::vector<NodeId>());
}

bool Contains(const std::vector<NodeId>& nodes, NodeId node) {
  return std::binary_search(nodes.begin(), nodes.end(), node);
}

absl::optional<uint32_t> ReadNumber(SystemCalls& system,
                                    const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(system, path);
  uint32_t number = 0;
  if (!text.ok() ||
      !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &number)) {
    return absl::nullopt;
  }
  return number;
}

core::NodePerformance ReadPerformance(SystemCalls& system,
                                      const std::string& folder) {
  const std::string access = folder + "/access0/initiators/";
  core::NodePerformance performance;
  performance.read_latency_ns = ReadNumber(system, access + "read_latency");
  performance.write_latency_ns = ReadNumber(system, access + "write_latency");
  performance.read_bandwidth_mbps =
      ReadNumber(system, access + "read_bandwidth");
  performance.write_bandwidth_mbps =
      ReadNumber(system, access + "write_bandwidth");
  return performance;
}

// memory_tierN/nodelist for every tier: tier by node.
std::map<NodeId, int32_t> ReadTiers(SystemCalls& system,
                                    const std::string& sys_root) {
  const std::string root = sys_root + "/devices/virtual/memory_tiering";
  std::map<NodeId, int32_t> tiers;
  const absl::StatusOr<std::vector<std::string>> names =
      system.ListDirectory(root);
  if (!names.ok()) return tiers;
  for (absl::string_view name : *names) {
    absl::string_view number = name;
    int32_t tier = 0;
    if (!absl::ConsumePrefix(&number, "memory_tier") ||
        !absl::SimpleAtoi(number, &tier)) {
      continue;
    }
    for (NodeId node :
         ReadNodes(system, absl::StrCat(root, "/", name, "/nodelist"))) {
      tiers[node] = tier;
    }
  }
  return tiers;
}

int32_t DistanceTo(const Node& from, NodeId to) {
  for (const auto& [node, distance] : from.distances) {
    if (node == to) return distance;
  }
  return std::numeric_limits<int32_t>::max();
}

// The nodes of the next slower tier, nearest first; of equally near ones
// the one with the lower latency first.
std::vector<NodeId> DemotionOrder(const Node& from,
                                  const std::vector<Node>& nodes) {
  absl::optional<int32_t> next_tier;
  for (const Node& node : nodes) {
    if (!from.tier || !node.tier || *node.tier <= *from.tier) continue;
    next_tier = std::min(next_tier.value_or(*node.tier), *node.tier);
  }
  using Rank = std::tuple<int32_t, uint32_t, NodeId>;
  std::vector<Rank> ranked;
  for (const Node& node : nodes) {
    if (!next_tier || node.tier != next_tier || !node.has_memory) continue;
    ranked.emplace_back(DistanceTo(from, node.id),
                        node.performance.read_latency_ns.value_or(0), node.id);
  }
  std::sort(ranked.begin(), ranked.end());
  std::vector<NodeId> order;
  for (const Rank& rank : ranked) order.push_back(std::get<NodeId>(rank));
  return order;
}

}  // namespace

core::NodeMemory ParseNodeMeminfo(absl::string_view text) {
  core::NodeMemory memory;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    // "Node 0 MemTotal:  123 kB"
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t kilobytes = 0;
    if (words.size() < 4 || !absl::SimpleAtoi(words[3], &kilobytes)) continue;
    const uint64_t bytes = kilobytes * 1024;
    if (words[2] == "MemTotal:") memory.total_bytes = bytes;
    if (words[2] == "MemFree:") memory.free_bytes = bytes;
    if (words[2] == "FilePages:") memory.file_bytes = bytes;
    if (words[2] == "AnonPages:") memory.anonymous_bytes = bytes;
  }
  return memory;
}

std::vector<NodeId> ReadMemoryNodes(SystemCalls& system,
                                    const std::string& sys_root) {
  std::vector<NodeId> nodes =
      ReadNodes(system, NodeRoot(sys_root) + "/has_memory");
  if (nodes.empty()) nodes.emplace_back(0);
  return nodes;
}

absl::StatusOr<core::Topology> ReadTopology(SystemCalls& system,
                                            const std::string& sys_root) {
  const std::string root = NodeRoot(sys_root);
  std::vector<NodeId> online = ReadNodes(system, root + "/online");
  if (online.empty()) online.emplace_back(0);
  const std::vector<NodeId> with_memory = ReadMemoryNodes(system, sys_root);
  const std::vector<NodeId> with_cpu = ReadNodes(system, root + "/has_cpu");
  const std::map<NodeId, int32_t> tiers = ReadTiers(system, sys_root);
  core::Topology topology;
  for (NodeId id : online) {
    const std::string folder = absl::StrCat(root, "/node", id.value());
    Node node;
    node.id = id;
    node.has_cpu = Contains(with_cpu, id);
    node.has_memory = Contains(with_memory, id);
    const absl::StatusOr<std::string> meminfo =
        ReadTextFile(system, folder + "/meminfo");
    if (meminfo.ok()) node.memory = ParseNodeMeminfo(*meminfo);
    const auto tier = tiers.find(id);
    if (tier != tiers.end()) node.tier = tier->second;
    node.performance = ReadPerformance(system, folder);
    const absl::StatusOr<std::string> distances =
        ReadTextFile(system, folder + "/distance");
    if (distances.ok()) {
      const std::vector<absl::string_view> words =
          absl::StrSplit(*distances, absl::ByAnyChar(" \n"), absl::SkipEmpty());
      for (size_t i = 0; i < words.size() && i < online.size(); ++i) {
        int32_t distance = 0;
        if (absl::SimpleAtoi(words[i], &distance)) {
          node.distances.emplace_back(online[i], distance);
        }
      }
    }
    topology.nodes.push_back(std::move(node));
  }
  for (Node& node : topology.nodes) {
    node.demotion_order = DemotionOrder(node, topology.nodes);
  }
  return topology;
}

}  // namespace pageferry::kernel
