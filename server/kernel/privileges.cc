#include "server/kernel/privileges.h"

#include <cerrno>

#include "server/kernel/page_map.h"

namespace pageferry::kernel {

bool FramesVisible(SystemCalls& system, const std::string& proc_root) {
  return HasCapability(system.EffectiveCapabilities(), kCapSysAdmin) &&
         FrameStates::Open(&system, proc_root).ok();
}

std::vector<core::Privilege> ReadPrivileges(SystemCalls& system,
                                            const std::string& proc_root) {
  const uint64_t effective = system.EffectiveCapabilities();
  const uint64_t address = 0;
  int status = 0;
  const bool may_move_pages =
      system.MovePages(0, {&address, 1}, {}, {&status, 1}, 0).ok();
  const SystemResult pidfd = system.PidfdOpen(system.OwnPid());
  const bool may_open_pidfd = pidfd.ok();
  if (may_open_pidfd) system.Close(static_cast<int>(pidfd.value));
  return {
      {"move_pages", may_move_pages,
       "nothing can be located or moved; allow move_pages in the seccomp "
       "profile"},
      {"pidfd_open", may_open_pidfd,
       "no process can be held by its identity, so none is touched; allow "
       "pidfd_open in the seccomp profile"},
      {"CAP_SYS_PTRACE", HasCapability(effective, kCapSysPtrace),
       "processes of other users cannot be located or moved"},
      {"CAP_DAC_READ_SEARCH", HasCapability(effective, kCapDacReadSearch),
       "the page maps of other users' processes cannot be read, so they are "
       "not touched"},
      {"CAP_SYS_NICE", HasCapability(effective, kCapSysNice),
       "pages that more than one process maps cannot be moved"},
      {"CAP_SYS_ADMIN", HasCapability(effective, kCapSysAdmin),
       "page states cannot be seen: async and sync-light may wait for locked "
       "pages and writeback, and PINNED is reported as BUSY"},
      {"kpageflags", FrameStates::Open(&system, proc_root).ok(),
       "as without CAP_SYS_ADMIN"},
  };
}

}  // namespace pageferry::kernel
