// The processes of a control group (version 2), as cgroupfs lists them.
//
// Source: Documentation/admin-guide/cgroup-v2.rst, "Processes" and "Threads".

#ifndef PAGEFERRY_SERVER_KERNEL_CGROUP_H_
#define PAGEFERRY_SERVER_KERNEL_CGROUP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// The pids in the cgroup `path` ("/" is the root of the hierarchy) and in all
// below it, ascending, each once: a process that moves from one to another
// meanwhile may be seen twice, or missed. `cgroup_root` is where the hierarchy
// is mounted. Refuses with kCgroupNotFound, with kTargetNotMovable where `path`
// is a threaded cgroup, and with kUnsupported where no hierarchy is mounted.
absl::StatusOr<std::vector<int32_t>> ListPids(SystemCalls& system,
                                              const std::string& cgroup_root,
                                              const std::string& path);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_CGROUP_H_
