#include "server/kernel/kernel_process.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "server/kernel/cpuset.h"
#include "server/kernel/kernel_mover.h"
#include "server/kernel/self_check.h"

namespace pageferry::kernel {
namespace {

using core::HiddenPages;
using core::LocatedRun;
using core::NodeId;
using core::PageRun;
using core::RefusalReason;

// Pages looked at together, and pagemap entries read together.
constexpr uint64_t kLookPages = 4096;
constexpr uint64_t kPagemapStride = 64 * 1024;

LocatedRun ToLocatedRun(uint64_t address, const PageView& view) {
  LocatedRun located;
  located.run = {core::VirtualAddress(address), 1};
  located.resident = view.resident();
  located.node = view.node;
  located.reason = view.reason;
  located.folio_pages =
      view.resident() && view.folio.has_value() ? view.folio->pages : 0;
  located.states = StatesOf(view);
  return located;
}

bool SameButPlace(const LocatedRun& a, const LocatedRun& b) {
  return a.resident == b.resident && a.node == b.node && a.reason == b.reason &&
         a.folio_pages == b.folio_pages && a.states == b.states;
}

}  // namespace

KernelProcess::KernelProcess(SystemCalls* system, std::string proc_root,
                             std::unique_ptr<ProcessIdentity> identity,
                             Damon* damon, core::Telemetry* telemetry)
    : system_(system),
      proc_root_(std::move(proc_root)),
      identity_(std::move(identity)),
      damon_(damon),
      telemetry_(telemetry),
      looker_(system, proc_root_, identity_.get()) {}

absl::Status KernelProcess::Locate(absl::Span<const PageRun> runs,
                                   const core::LocationSink& sink) {
  return Locate(runs, HiddenPages::kLeave, sink);
}

absl::Status KernelProcess::Locate(absl::Span<const PageRun> runs,
                                   HiddenPages hidden,
                                   const core::LocationSink& sink) {
  std::vector<uint64_t> addresses;
  std::vector<PageView> views;
  const auto look = [&]() -> absl::StatusOr<bool> {
    const absl::Status status = Look(addresses, hidden, &views);
    if (!status.ok()) return status;
    std::vector<LocatedRun> located;
    for (size_t i = 0; i < addresses.size(); ++i) {
      const LocatedRun next = ToLocatedRun(addresses[i], views[i]);
      if (!located.empty() && located.back().run.end() == next.run.start &&
          SameButPlace(located.back(), next)) {
        ++located.back().run.pages;
      } else {
        located.push_back(next);
      }
    }
    addresses.clear();
    return sink(located);
  };
  for (const PageRun& run : runs) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      addresses.push_back(run.start.PlusPages(i).value());
      if (addresses.size() < kLookPages) continue;
      const absl::StatusOr<bool> more = look();
      if (!more.ok()) return more.status();
      if (!*more) return absl::OkStatus();
    }
  }
  if (addresses.empty()) return absl::OkStatus();
  return look().status();
}

absl::Status KernelProcess::Look(absl::Span<const uint64_t> addresses,
                                 HiddenPages hidden,
                                 std::vector<PageView>* views) {
  views->resize(addresses.size());
  const absl::Status status = looker_.Look(addresses, absl::MakeSpan(*views));
  if (!status.ok() || hidden == HiddenPages::kLeave) return status;
  std::vector<uint64_t> touched;
  std::vector<size_t> indices;
  for (size_t i = 0; i < addresses.size(); ++i) {
    const PageView& view = (*views)[i];
    if (view.reason != core::Reason::kNumaHint || view.shared()) continue;
    touched.push_back(addresses[i]);
    indices.push_back(i);
  }
  if (touched.empty()) return status;
  looker_.Touch(touched);
  std::vector<PageView> uncovered(touched.size());
  const absl::Status again = looker_.Look(touched, absl::MakeSpan(uncovered));
  if (!again.ok()) return again;
  for (size_t i = 0; i < indices.size(); ++i) {
    (*views)[indices[i]] = uncovered[i];
  }
  return status;
}

absl::Status KernelProcess::LocateResident(core::VirtualAddress start,
                                           HiddenPages hidden,
                                           const core::LocationSink& sink) {
  const absl::Status access = CheckAccess(/*move_shared=*/false);
  if (!access.ok()) return access;
  const absl::StatusOr<AddressSpace> space = looker_.ReadMappings();
  if (!space.ok()) return space.status();
  // Mappings of a process that exited meanwhile are none.
  if (!identity_->alive()) return ProcessGone(id().pid);
  bool more = true;
  const core::LocationSink resident_only =
      [&](absl::Span<const LocatedRun> located) {
        std::vector<LocatedRun> resident;
        std::copy_if(located.begin(), located.end(),
                     std::back_inserter(resident),
                     [](const LocatedRun& run) { return run.resident; });
        more = sink(resident);
        return more;
      };
  // Looked at together, across mappings: a process may have 65,530 small ones,
  // and every look may have to read them all.
  std::vector<PageRun> present;
  uint64_t present_pages = 0;
  const auto look = [&] {
    present_pages = 0;
    return Locate(std::exchange(present, {}), hidden, resident_only);
  };
  for (const Mapping& mapping : space->mappings()) {
    if (mapping.special()) continue;
    core::VirtualAddress next = std::max(mapping.start, start);
    while (more && next < mapping.end) {
      const PageRun range = {
          next, std::min(kPagemapStride,
                         mapping.end.page_number() - next.page_number())};
      const absl::StatusOr<std::vector<PageRun>> runs =
          identity_->pagemap().PresentRuns(range);
      if (!runs.ok()) return ProcessGone(id().pid);
      for (const PageRun& run : *runs) {
        present.push_back(run);
        present_pages += run.pages;
      }
      next = range.end();
      if (present_pages >= kLookPages) {
        const absl::Status status = look();
        if (!status.ok()) return status;
      } else if (runs->empty()) {
        // Also where there is nothing: a walk over empty terabytes can be
        // ended.
        more = sink({});
      }
    }
    if (!more) return absl::OkStatus();
  }
  return present.empty() ? absl::OkStatus() : look();
}

absl::Status KernelProcess::CheckAccess(bool move_shared) {
  const int32_t pid = id().pid;
  const uint64_t address = 0;
  int status = 0;
  const SystemResult result =
      system_->MovePages(pid, {&address, 1}, {}, {&status, 1}, 0);
  if (!result.ok() && !identity_->alive()) return ProcessGone(pid);
  if (result.error == EPERM) {
    // Refused for ourselves too: then it is no matter of whose process it is.
    const SystemResult own =
        system_->MovePages(0, {&address, 1}, {}, {&status, 1}, 0);
    return AccessDenied(pid,
                        own.ok() ? "CAP_SYS_PTRACE" : "seccomp: move_pages");
  }
  if (!result.ok()) {
    return absl::ErrnoToStatus(result.error,
                               absl::StrCat("move_pages of process ", pid));
  }
  if (move_shared &&
      !HasCapability(system_->EffectiveCapabilities(), kCapSysNice)) {
    return AccessDenied(pid, "CAP_SYS_NICE (to move shared pages)");
  }
  return absl::OkStatus();
}

absl::Status KernelProcess::CheckNodes(const core::PageList& pages) {
  struct Owner {
    std::string process;
    std::string name;
  };
  const Owner owners[] = {
      {absl::StrCat(id().pid), absl::StrCat("process ", id().pid)},
      {"self", "pageferryd itself"}};
  for (const Owner& owner : owners) {
    const absl::StatusOr<std::vector<NodeId>> allowed =
        ReadAllowedNodes(*system_, proc_root_, owner.process);
    if (!allowed.ok()) return ProcessGone(id().pid);
    for (const core::Placement& placement : pages.placements()) {
      for (NodeId node : placement.nodes) {
        if (std::binary_search(allowed->begin(), allowed->end(), node)) {
          continue;
        }
        return core::Refuse(
            RefusalReason::kNodeNotAllowed,
            absl::StrCat("node ", node.value(), " is outside the cpuset of ",
                         owner.name, ", which allows memory on nodes ",
                         FormatNodeList(*allowed),
                         "; choose one of these, or widen the cpuset"));
      }
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<core::BatchMover>> KernelProcess::NewMover(
    const core::PageList& pages, const core::MoveParameters& parameters) {
  absl::Status status = CheckAccess(parameters.move_shared);
  if (status.ok()) status = CheckNodes(pages);
  if (!status.ok()) return status;
  absl::optional<AddressSpace> huge_page_hints;
  if (!looker_.frames_visible()) {
    const absl::StatusOr<std::string> text = ReadTextFile(
        *system_, absl::StrCat(proc_root_, "/", id().pid, "/smaps"));
    if (text.ok()) {
      absl::StatusOr<AddressSpace> parsed = AddressSpace::Parse(*text);
      if (parsed.ok()) huge_page_hints = *std::move(parsed);
    }
  }
  return std::make_unique<KernelMover>(
      system_, proc_root_, identity_.get(), &pages, parameters,
      std::move(huge_page_hints), damon_, telemetry_);
}

}  // namespace pageferry::kernel
