#include "server/kernel/page_look.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "server/kernel/self_check.h"

namespace pageferry::kernel {
namespace {

using core::PageState;
using core::Reason;
using core::VirtualAddress;

// Pages located in one call: short enough for a daemon that wants to stop.
constexpr size_t kQueryPages = 4096;

}  // namespace

absl::Status ProcessGone(int32_t pid) {
  return core::Refuse(
      core::RefusalReason::kProcessNotFound,
      absl::StrCat("process ", pid,
                   " has exited or was replaced by exec; resolve the target "
                   "again"));
}

absl::Status AccessDenied(int32_t pid, absl::string_view missing) {
  core::Refusal refusal;
  refusal.reason = core::RefusalReason::kKernelRefuses;
  refusal.missing = std::string(missing);
  refusal.message = absl::StrCat(
      "the kernel denies pageferryd access to the pages of "
      "process ",
      pid, "; missing: ", missing);
  return core::ToStatus(refusal);
}

PageLooker::PageLooker(SystemCalls* system, std::string proc_root,
                       const ProcessIdentity* process)
    : system_(system),
      proc_root_(std::move(proc_root)),
      process_(process),
      kernel_version_(KernelVersion::Parse(system->KernelRelease())) {
  // Without, kpageflags may open (its owner is root), but there is nothing to
  // look up in it.
  if (!ShowsFrames(*system, proc_root_)) return;
  absl::StatusOr<FrameStates> frames = FrameStates::Open(system, proc_root_);
  if (frames.ok()) frames_ = *std::move(frames);
}

absl::Status PageLooker::ExitedOr(const absl::Status& status) const {
  return process_->alive() ? status : ProcessGone(process_->id().pid);
}

absl::Status PageLooker::Look(absl::Span<const uint64_t> addresses,
                              absl::Span<PageView> views) {
  mappings_.reset();
  file_systems_.reset();
  absl::Status status = QueryNodes(addresses);
  if (status.ok()) status = ReadPagemap(addresses, &entries_);
  if (!status.ok()) return ExitedOr(status);
  for (size_t i = 0; i < addresses.size(); ++i) {
    views[i] = PageView();
    views[i].entry = entries_[i];
  }
  if (frames_.has_value()) {
    LookAtFrames(addresses, views);
    // A page that changed its frame meanwhile has the flags of a stranger.
    status = ReadPagemap(addresses, &entries_again_);
    if (!status.ok()) return ExitedOr(status);
    for (size_t i = 0; i < addresses.size(); ++i) {
      if (entries_again_[i].frame() != entries_[i].frame()) {
        views[i].folio.reset();
      }
    }
  }
  for (size_t i = 0; i < addresses.size(); ++i) {
    Classify(addresses[i], statuses_[i], &views[i]);
  }
  return process_->alive() ? absl::OkStatus() : ProcessGone(process_->id().pid);
}

absl::Status PageLooker::QueryNodes(absl::Span<const uint64_t> addresses) {
  statuses_.assign(addresses.size(), -EFAULT);
  const int32_t pid = process_->id().pid;
  for (size_t first = 0; first < addresses.size(); first += kQueryPages) {
    const size_t count = std::min(kQueryPages, addresses.size() - first);
    const SystemResult result =
        system_->MovePages(pid, addresses.subspan(first, count), {},
                           absl::MakeSpan(statuses_).subspan(first, count), 0);
    if (result.ok()) continue;
    if (result.error == EPERM) return AccessDenied(pid, "CAP_SYS_PTRACE");
    if (result.error == ESRCH || result.error == EINVAL) {
      return ProcessGone(pid);
    }
    return absl::ErrnoToStatus(
        result.error, absl::StrCat("cannot locate pages of process ", pid));
  }
  return absl::OkStatus();
}

absl::Status PageLooker::ReadPagemap(absl::Span<const uint64_t> addresses,
                                     std::vector<PagemapEntry>* entries) {
  entries->resize(addresses.size());
  for (size_t first = 0; first < addresses.size();) {
    size_t end = first + 1;
    while (end < addresses.size() &&
           addresses[end] == addresses[end - 1] + core::kPageBytes) {
      ++end;
    }
    const absl::Status status = process_->pagemap().Read(
        VirtualAddress(addresses[first]),
        absl::MakeSpan(*entries).subspan(first, end - first));
    if (!status.ok()) return status;
    first = end;
  }
  return absl::OkStatus();
}

void PageLooker::LookAtFrames(absl::Span<const uint64_t> addresses,
                              absl::Span<PageView> views) {
  frames_->Forget();
  for (size_t i = 0; i < addresses.size(); ++i) {
    const core::PageFrameNumber frame = views[i].entry.frame();
    if (frame.value() != 0) views[i].folio = frames_->Look(frame);
  }
}

void PageLooker::Touch(absl::Span<const uint64_t> addresses) {
  size_t next = 0;
  while (next < addresses.size()) {
    const SystemResult read =
        system_->ReadFirstBytes(process_->id().pid, addresses.subspan(next));
    // The first that cannot be read stays hidden; go on behind it.
    next += read.value > 0 ? static_cast<size_t>(read.value) : 1;
  }
}

absl::StatusOr<AddressSpace> PageLooker::ReadMappings() const {
  const absl::StatusOr<std::string> text = ReadTextFile(
      *system_, absl::StrCat(proc_root_, "/", process_->id().pid, "/maps"));
  if (!text.ok()) return ExitedOr(text.status());
  return AddressSpace::Parse(*text);
}

const AddressSpace& PageLooker::Mappings() {
  if (!mappings_.has_value()) {
    absl::StatusOr<AddressSpace> read = ReadMappings();
    mappings_ = read.ok() ? *std::move(read) : AddressSpace();
  }
  return *mappings_;
}

bool PageLooker::WritesOut(const PageView& view, const Mapping& mapping) {
  if (!view.folio.has_value()) return false;
  const FrameFlags& flags = view.folio->flags;
  // Pages of hugetlbfs are always dirty, and never written out.
  if (!flags.dirty() || flags.swap_backed() || flags.hugetlb()) return false;
  if (!file_systems_.has_value()) {
    const absl::StatusOr<std::string> text = ReadTextFile(
        *system_,
        absl::StrCat(proc_root_, "/", process_->id().pid, "/mountinfo"));
    file_systems_ = text.ok() ? FileSystems::Parse(*text) : FileSystems();
  }
  return !MovesDirtyPages(file_systems_->TypeOf(mapping.file_system),
                          kernel_version_);
}

void PageLooker::Classify(uint64_t address, int status, PageView* view) {
  if (status >= 0) {
    view->node = core::NodeId(status);
    // The kernel locates its own pages too (seen on 6.18). They look like
    // pages of a file.
    if (view->entry.file()) {
      const Mapping* mapping = Mappings().Find(VirtualAddress(address));
      view->fixed = mapping != nullptr && mapping->special();
      view->writes_out = mapping != nullptr && WritesOut(*view, *mapping);
    }
    return;
  }
  if (address >= core::kEndOfUserAddresses.value()) {
    view->reason = Reason::kInvalid;
    return;
  }
  if (view->entry.swapped()) {
    view->reason = Reason::kSwappedOut;
    return;
  }
  if (view->folio.has_value() && view->folio->flags.zero_page()) {
    view->reason = Reason::kZeroPage;
    return;
  }
  const Mapping* mapping = Mappings().Find(VirtualAddress(address));
  if (mapping == nullptr) {
    view->reason = Reason::kNotMapped;
  } else if (mapping->special()) {
    view->reason = Reason::kNotMovable;
  } else if (!view->entry.present()) {
    view->reason = Reason::kNotPresent;
  } else if (status == -ENOENT) {
    view->hidden = true;
    view->reason =
        mapping->inaccessible() ? Reason::kUnsupported : Reason::kNumaHint;
  } else if (view->folio.has_value() || mapping->shared) {
    view->reason = Reason::kNotMovable;
  } else {
    // Present in private memory, and no page that the kernel would name: the
    // page of zeroes, small or huge.
    view->reason = Reason::kZeroPage;
  }
}

core::PageStateSet StatesOf(const PageView& view) {
  core::PageStateSet states;
  const auto add_if = [&states](bool condition, PageState state) {
    if (condition) states.Add(state);
  };
  add_if(view.reason == Reason::kZeroPage, PageState::kZeroPage);
  add_if(view.reason == Reason::kNumaHint, PageState::kNumaHint);
  if (!view.resident()) return states;
  add_if(view.entry.present() && !view.entry.file(), PageState::kAnonymous);
  add_if(view.entry.present() && view.entry.file(), PageState::kFile);
  add_if(view.shared(), PageState::kShared);
  add_if(view.entry.soft_dirty(), PageState::kSoftDirty);
  if (!view.folio.has_value()) return states;
  const FrameFlags& flags = view.folio->flags;
  add_if(flags.dirty(), PageState::kDirty);
  add_if(flags.writeback(), PageState::kWriteback);
  add_if(flags.locked(), PageState::kLocked);
  add_if(flags.mlocked(), PageState::kMlocked);
  // On 6.10 to 6.12 and some later every anonymous page has the KSM flag; only
  // a page mapped more than once can be a merged one.
  add_if(flags.ksm() && view.shared(), PageState::kKsm);
  add_if(flags.thp() && view.folio->pages > 1, PageState::kThp);
  add_if(flags.hugetlb(), PageState::kHugetlb);
  add_if(flags.swap_cache(), PageState::kSwapCache);
  add_if(flags.referenced(), PageState::kReferenced);
  add_if(flags.active(), PageState::kActive);
  add_if(flags.unevictable(), PageState::kUnevictable);
  add_if(flags.hwpoison(), PageState::kHwpoison);
  return states;
}

}  // namespace pageferry::kernel
