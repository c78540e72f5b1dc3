// What this process may do, found out by doing it: to itself, and to a child.
//
// Capabilities tell too little: in a user namespace, under seccomp or a
// security module the bit is there and the right is not.

#ifndef PAGEFERRY_SERVER_KERNEL_SELF_CHECK_H_
#define PAGEFERRY_SERVER_KERNEL_SELF_CHECK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "server/core/topology.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Numbers of capabilities(7).
inline constexpr int kCapDacReadSearch = 2;
inline constexpr int kCapSysPtrace = 19;
inline constexpr int kCapSysAdmin = 21;
inline constexpr int kCapSysNice = 23;

inline bool HasCapability(uint64_t effective, int capability) {
  return (effective >> capability & 1) != 0;
}

// Tries each right, and says what the lack of it costs. Needs none of them.
// Makes a child for a moment; to be called once, at start. Blocks.
std::vector<core::Privilege> CheckSelf(SystemCalls& system,
                                       const std::string& proc_root);

// Whether the cpuset of this process allows it memory of every node in `nodes`:
// the kernel moves pages nowhere else on its behalf.
core::Privilege CheckCpuset(SystemCalls& system, const std::string& proc_root,
                            const std::vector<core::NodeId>& nodes);

// Whether pagemap shows this process page frames: CAP_SYS_ADMIN in the initial
// user namespace.
bool ShowsFrames(SystemCalls& system, const std::string& proc_root);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_SELF_CHECK_H_
