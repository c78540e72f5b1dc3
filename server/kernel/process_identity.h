// Which process it is, from request to last result.
//
// A pid may be reused and a process may become another program. A pidfd tells
// that the process has exited; the start time tells one bearer of a pid from
// the next; a pagemap descriptor tells that the address space was replaced
// (4-kernel-facts: after an exec it reads nothing, while pidfd and start time
// stay good).

#ifndef PAGEFERRY_SERVER_KERNEL_PROCESS_IDENTITY_H_
#define PAGEFERRY_SERVER_KERNEL_PROCESS_IDENTITY_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/core/types.h"
#include "server/kernel/page_map.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// What /proc/PID/stat says (proc(5), fields 3, 9 and 22).
struct ProcessStat {
  char state = '?';
  bool kernel_thread = false;  // PF_KTHREAD
  uint64_t start_time_ticks = 0;

  bool ended() const { return state == 'Z' || state == 'X'; }
  // Kernel threads and zombies have no memory of their own.
  bool has_pages() const { return !kernel_thread && !ended(); }
};

// The command name in the text may hold blanks and parentheses.
absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text);

// A live process, held. Used by one thread at a time.
class ProcessIdentity {
 public:
  // Refuses as core::Backend::OpenProcess says. `system` must outlive this.
  static absl::StatusOr<std::unique_ptr<ProcessIdentity>> Open(
      SystemCalls* system, const std::string& proc_root, int32_t pid,
      absl::optional<uint64_t> start_time_ticks);

  core::ProcessId id() const { return id_; }
  const Pagemap& pagemap() const { return pagemap_; }

  // Whether the process still runs in the address space in which it was
  // opened. What was learnt by pid before a call of this that returns true was
  // learnt of this process.
  bool alive() const;

 private:
  ProcessIdentity(SystemCalls* system, core::ProcessId id, Descriptor pidfd,
                  Descriptor pagemap);

  SystemCalls* const system_;
  const core::ProcessId id_;
  const Descriptor pidfd_;
  const Pagemap pagemap_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_PROCESS_IDENTITY_H_
