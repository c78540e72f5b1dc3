// The machine's NUMA nodes as sysfs tells of them.
//
// Sources: Documentation/ABI/stable/sysfs-devices-node,
// Documentation/admin-guide/mm/numaperf.rst,
// Documentation/ABI/testing/sysfs-kernel-mm-memory-tiers.

#ifndef PAGEFERRY_SERVER_KERNEL_TOPOLOGY_READER_H_
#define PAGEFERRY_SERVER_KERNEL_TOPOLOGY_READER_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/topology.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Parses nodeN/meminfo.
core::NodeMemory ParseNodeMeminfo(absl::string_view text);

// Nodes that are online and have memory, ascending; of a kernel without NUMA,
// node 0.
std::vector<core::NodeId> ReadMemoryNodes(SystemCalls& system,
                                          const std::string& sys_root);

// The whole topology. What a kernel or a firmware does not tell stays unset.
absl::StatusOr<core::Topology> ReadTopology(SystemCalls& system,
                                            const std::string& sys_root);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_TOPOLOGY_READER_H_
