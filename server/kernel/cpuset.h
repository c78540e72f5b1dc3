// The nodes on which a process may have memory.

#ifndef PAGEFERRY_SERVER_KERNEL_CPUSET_H_
#define PAGEFERRY_SERVER_KERNEL_CPUSET_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Parses the kernel's list format, "0-2,5\n", ascending; an empty list is
// empty. InvalidArgument with the text otherwise.
absl::StatusOr<std::vector<core::NodeId>> ParseNodeList(absl::string_view text);

// "0-2,5" again; "none" for an empty list.
std::string FormatNodeList(const std::vector<core::NodeId>& nodes);

// The nodes of Mems_allowed_list in /proc/PID/status (cpuset(7)). `process` is
// a pid or "self".
absl::StatusOr<std::vector<core::NodeId>> ReadAllowedNodes(
    SystemCalls& system, const std::string& proc_root,
    absl::string_view process);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_CPUSET_H_
