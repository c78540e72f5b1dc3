// How much memory a node can take before the kernel would have to reclaim.

#ifndef PAGEFERRY_SERVER_KERNEL_NODE_MEMORY_H_
#define PAGEFERRY_SERVER_KERNEL_NODE_MEMORY_H_

#include <cstdint>
#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Base pages of a node, over its zones.
struct NodeRoom {
  uint64_t free_pages = 0;
  uint64_t low_watermark_pages = 0;

  // What fits above the low watermark, below which the kernel reclaims.
  uint64_t room_pages() const {
    return free_pages > low_watermark_pages ? free_pages - low_watermark_pages
                                            : 0;
  }
};

// Parses /proc/zoneinfo (proc(5)).
std::map<core::NodeId, NodeRoom> ParseZoneInfo(absl::string_view text);

// The room of `node` now; of a node without zones, none.
absl::StatusOr<NodeRoom> ReadNodeRoom(SystemCalls& system,
                                      const std::string& proc_root,
                                      core::NodeId node);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_NODE_MEMORY_H_
