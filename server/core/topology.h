// The machine's memory nodes, and what a daemon can do on it.

#ifndef PAGEFERRY_SERVER_CORE_TOPOLOGY_H_
#define PAGEFERRY_SERVER_CORE_TOPOLOGY_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/types/optional.h"
#include "server/core/types.h"

namespace pageferry::core {

struct NodeMemory {
  uint64_t total_bytes = 0;
  uint64_t free_bytes = 0;
  uint64_t file_bytes = 0;
  uint64_t anonymous_bytes = 0;
};

// As the firmware tells; empty where it does not.
struct NodePerformance {
  absl::optional<uint32_t> read_latency_ns;
  absl::optional<uint32_t> write_latency_ns;
  absl::optional<uint32_t> read_bandwidth_mbps;
  absl::optional<uint32_t> write_bandwidth_mbps;

  bool known() const {
    return read_latency_ns || write_latency_ns || read_bandwidth_mbps ||
           write_bandwidth_mbps;
  }
};

struct Node {
  NodeId id;
  bool has_cpu = false;
  bool has_memory = false;
  NodeMemory memory;
  // The kernel's memory tier; smaller is faster. Empty before Linux 6.1.
  absl::optional<int32_t> tier;
  // To every online node, itself included, by ascending id.
  std::vector<std::pair<NodeId, int32_t>> distances;
  NodePerformance performance;
  // Nodes of the next slower tier, nearest first.
  std::vector<NodeId> demotion_order;
};

// Online nodes by ascending id.
struct Topology {
  std::vector<Node> nodes;
};

// Something that the daemon needs, and what its lack costs.
struct Privilege {
  std::string name;  // "CAP_SYS_NICE", "kpageflags"
  bool present = false;
  std::string cost_of_lack;
};

// What can be seen of pages, in the order of the contract's PageState.
enum class PageState : uint8_t {
  kAnonymous = 1,
  kFile = 2,
  kShared = 3,
  kDirty = 4,
  kWriteback = 5,
  kLocked = 6,
  kMlocked = 7,
  kKsm = 8,
  kThp = 9,
  kHugetlb = 10,
  kSwapCache = 11,
  kZeroPage = 12,
  kNumaHint = 13,
  kSoftDirty = 14,
  kReferenced = 15,
  kActive = 16,
  kUnevictable = 17,
  kHwpoison = 18,
};

// A set of PageState.
class PageStateSet {
 public:
  void Add(PageState state) { bits_ |= Bit(state); }
  bool Has(PageState state) const { return (bits_ & Bit(state)) != 0; }
  bool empty() const { return bits_ == 0; }

  friend bool operator==(PageStateSet, PageStateSet) = default;

 private:
  static uint32_t Bit(PageState state) {
    return uint32_t{1} << static_cast<int>(state);
  }
  uint32_t bits_ = 0;
};

struct Capabilities {
  std::string kernel_release;
  // Whether migrations can be accepted; if not, why and what to do about it.
  bool ready = false;
  std::string not_ready_reason;
  std::vector<std::pair<Mode, std::vector<Fidelity>>> modes;
  std::vector<Privilege> privileges;
  PageStateSet visible_page_states;
  bool numa_balancing = false;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_TOPOLOGY_H_
