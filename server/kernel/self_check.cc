#include "server/kernel/self_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "server/kernel/cpuset.h"
#include "server/kernel/page_map.h"

namespace pageferry::kernel {
namespace {

// move_pages(2) of one page; `node` under 0 asks where it is. `*status` is the
// kernel's.
SystemResult MovePage(SystemCalls& system, int32_t pid, uint64_t address,
                      int node, int flags, int* status) {
  const absl::Span<const int> nodes =
      node < 0 ? absl::Span<const int>() : absl::MakeConstSpan(&node, 1);
  return system.MovePages(pid, {&address, 1}, nodes, absl::MakeSpan(status, 1),
                          flags);
}

// A child that lets only those look at it who may look at everybody.
class Probe {
 public:
  explicit Probe(SystemCalls* system)
      : system_(*system), started_(system->StartProbe()) {}
  ~Probe() {
    if (started_.ok()) system_.EndProbe(pid());
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  bool started() const { return started_.ok(); }
  int32_t pid() const { return static_cast<int32_t>(started_.value); }

 private:
  SystemCalls& system_;
  const SystemResult started_;
};

// Where no child can be made, the capability has to be believed.
bool MayLookAtOthers(SystemCalls& system, const Probe& probe) {
  if (!probe.started()) {
    return HasCapability(system.EffectiveCapabilities(), kCapSysPtrace);
  }
  int status = 0;
  return MovePage(system, probe.pid(), system.OwnPage(), -1, 0, &status).ok();
}

// Moves a page of this process to where it is: all checks, no work.
bool MayMove(SystemCalls& system, int flags) {
  int node = 0;
  int status = 0;
  const uint64_t page = system.OwnPage();
  return MovePage(system, 0, page, -1, 0, &node).ok() && node >= 0 &&
         MovePage(system, 0, page, node, flags, &status).ok();
}

bool MayLocate(SystemCalls& system) {
  int status = 0;
  return MovePage(system, 0, system.OwnPage(), -1, 0, &status).ok();
}

bool MayHoldProcesses(SystemCalls& system) {
  const SystemResult pidfd = system.PidfdOpen(system.OwnPid());
  if (pidfd.ok()) system.Close(static_cast<int>(pidfd.value));
  return pidfd.ok();
}

}  // namespace

bool ShowsFrames(SystemCalls& system, const std::string& proc_root) {
  const SystemResult opened = system.Open(proc_root + "/self/pagemap");
  if (!opened.ok()) return false;
  const Pagemap pagemap(&system,
                        Descriptor(&system, static_cast<int>(opened.value)));
  PagemapEntry entry;
  return pagemap
             .Read(core::VirtualAddress(system.OwnPage()),
                   absl::MakeSpan(&entry, 1))
             .ok() &&
         entry.frame().value() != 0;
}

std::vector<core::Privilege> CheckSelf(SystemCalls& system,
                                       const std::string& proc_root) {
  const Probe probe(&system);
  return {
      {"move_pages", MayLocate(system) && MayMove(system, kMovePagesExclusive),
       "nothing can be located or moved; allow move_pages in the seccomp "
       "profile"},
      {"pidfd_open", MayHoldProcesses(system),
       "no process can be held by its identity, so none is touched; allow "
       "pidfd_open in the seccomp profile"},
      {"CAP_SYS_PTRACE", MayLookAtOthers(system, probe),
       "processes of other users cannot be located or moved"},
      {"CAP_DAC_READ_SEARCH",
       HasCapability(system.EffectiveCapabilities(), kCapDacReadSearch),
       "the page maps of other users' processes cannot be read, so they are "
       "not touched"},
      {"CAP_SYS_NICE", MayMove(system, kMovePagesAll),
       "pages that more than one process maps cannot be moved"},
      {"CAP_SYS_ADMIN", ShowsFrames(system, proc_root),
       "page states cannot be seen: async and sync-light may wait for locked "
       "pages and writeback, and PINNED is reported as BUSY"},
      {"kpageflags", FrameStates::Open(&system, proc_root).ok(),
       "as without CAP_SYS_ADMIN"},
  };
}

core::Privilege CheckCpuset(SystemCalls& system, const std::string& proc_root,
                            const std::vector<core::NodeId>& nodes) {
  const absl::StatusOr<std::vector<core::NodeId>> allowed =
      ReadAllowedNodes(system, proc_root, "self");
  std::vector<core::NodeId> missing;
  for (core::NodeId node : nodes) {
    if (allowed.ok() &&
        !std::binary_search(allowed->begin(), allowed->end(), node)) {
      missing.push_back(node);
    }
  }
  return {
      "cpuset", allowed.ok() && missing.empty(),
      absl::StrCat("nothing can be moved to nodes outside pageferryd's own "
                   "cpuset",
                   missing.empty()
                       ? ""
                       : absl::StrCat(" (now: ", FormatNodeList(missing), ")"),
                   "; let cpuset.mems of its cgroup name them")};
}

}  // namespace pageferry::kernel
