// The rights that the kernel backend needs, and whether it has them.

#ifndef PAGEFERRY_SERVER_KERNEL_PRIVILEGES_H_
#define PAGEFERRY_SERVER_KERNEL_PRIVILEGES_H_

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

// Tries each right on this process, and says what the lack of each costs. Needs
// none of them.
std::vector<core::Privilege> ReadPrivileges(SystemCalls& system,
                                            const std::string& proc_root);

// Whether page states can be seen: frames in pagemap, and their flags.
bool FramesVisible(SystemCalls& system, const std::string& proc_root);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_PRIVILEGES_H_
