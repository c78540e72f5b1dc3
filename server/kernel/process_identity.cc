#include "server/kernel/process_identity.h"

#include <cerrno>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/core/refusal.h"

namespace pageferry::kernel {
namespace {

using core::Refusal;
using core::RefusalReason;
using core::Refuse;

constexpr uint64_t kKernelThreadFlag = 0x00200000;  // include/linux/sched.h

absl::Status NoSuchProcess(int32_t pid) {
  return Refuse(
      RefusalReason::kProcessNotFound,
      absl::StrCat("no process has pid ", pid, "; resolve the target again"));
}

absl::Status NotMovable(int32_t pid, absl::string_view what) {
  return Refuse(
      RefusalReason::kTargetNotMovable,
      absl::StrCat("process ", pid, " is ", what,
                   ", whose pages are never moved; choose another target"));
}

// Says so where a file could not be opened since pageferryd, or the machine,
// has too many open; OK where `error` says something else.
absl::Status OutOfDescriptors(int error) {
  if (error != EMFILE && error != ENFILE) return absl::OkStatus();
  Refusal refusal;
  refusal.reason = RefusalReason::kTooManyMigrations;
  refusal.retry_delay = absl::Seconds(1);
  refusal.message = absl::StrCat(
      error == EMFILE ? "pageferryd" : "the machine",
      " has no file descriptor left to hold the process with; retry when "
      "other migrations have ended, or raise the limit on open files");
  return core::ToStatus(refusal);
}

absl::Status PagemapDenied(int32_t pid) {
  Refusal refusal;
  refusal.reason = RefusalReason::kKernelRefuses;
  refusal.missing = "CAP_DAC_READ_SEARCH or CAP_SYS_PTRACE";
  refusal.message = absl::StrCat(
      "the kernel does not let pageferryd read the page map of process ", pid,
      "; for processes of other users it needs ", refusal.missing);
  return core::ToStatus(refusal);
}

}  // namespace

absl::StatusOr<ProcessStat> ParseProcessStat(absl::string_view text) {
  const size_t parenthesis = text.rfind(')');
  if (parenthesis == absl::string_view::npos) {
    return absl::InvalidArgumentError("no command name in /proc/PID/stat");
  }
  // Behind the name: field 3 is the first.
  const std::vector<absl::string_view> fields = absl::StrSplit(
      text.substr(parenthesis + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
  constexpr size_t kState = 0;
  constexpr size_t kFlags = 9 - 3;
  constexpr size_t kStartTime = 22 - 3;
  uint64_t flags = 0;
  ProcessStat stat;
  if (fields.size() <= kStartTime ||
      !absl::SimpleAtoi(fields[kFlags], &flags) ||
      !absl::SimpleAtoi(fields[kStartTime], &stat.start_time_ticks)) {
    return absl::InvalidArgumentError(
        absl::StrCat("not the format of /proc/PID/stat: ", text));
  }
  stat.state = fields[kState][0];
  stat.kernel_thread = (flags & kKernelThreadFlag) != 0;
  return stat;
}

ProcessIdentity::ProcessIdentity(SystemCalls* system, core::ProcessId id,
                                 Descriptor pidfd, Descriptor pagemap)
    : system_(system),
      id_(id),
      pidfd_(std::move(pidfd)),
      pagemap_(system, std::move(pagemap)) {}

absl::StatusOr<std::unique_ptr<ProcessIdentity>> ProcessIdentity::Open(
    SystemCalls* system, const std::string& proc_root, int32_t pid,
    absl::optional<uint64_t> start_time_ticks) {
  if (pid == 1) return NotMovable(pid, "the init process");
  if (pid == system->OwnPid()) return NotMovable(pid, "pageferryd itself");
  // The pidfd first: whatever is read afterwards is of this process as long as
  // it has not exited at the end.
  const SystemResult opened = system->PidfdOpen(pid);
  if (!opened.ok()) {
    // EINVAL: the pid of a thread that leads no process.
    if (opened.error == ESRCH || opened.error == EINVAL ||
        opened.error == ENOENT) {
      return NoSuchProcess(pid);
    }
    const absl::Status full = OutOfDescriptors(opened.error);
    if (!full.ok()) return full;
    Refusal refusal;
    refusal.reason = RefusalReason::kKernelRefuses;
    refusal.missing = "seccomp: pidfd_open";
    refusal.message = absl::StrCat("pidfd_open of process ", pid,
                                   " failed with errno ", opened.error);
    return core::ToStatus(refusal);
  }
  Descriptor pidfd(system, static_cast<int>(opened.value));
  const std::string folder = absl::StrCat(proc_root, "/", pid);
  const absl::StatusOr<std::string> text =
      ReadTextFile(*system, folder + "/stat");
  if (!text.ok()) return NoSuchProcess(pid);
  const absl::StatusOr<ProcessStat> stat = ParseProcessStat(*text);
  if (!stat.ok()) return stat.status();
  if (start_time_ticks.has_value() &&
      *start_time_ticks != stat->start_time_ticks) {
    return Refuse(
        RefusalReason::kProcessReplaced,
        absl::StrCat("process ", pid, " started at tick ",
                     stat->start_time_ticks, ", not at ", *start_time_ticks,
                     ": the pid was reused; resolve the target again"));
  }
  if (stat->kernel_thread) return NotMovable(pid, "a kernel thread");
  if (stat->ended()) return NotMovable(pid, "a zombie");
  const SystemResult pagemap = system->Open(folder + "/pagemap");
  if (!pagemap.ok()) {
    if (pagemap.error == ENOENT || pagemap.error == ESRCH) {
      return NoSuchProcess(pid);
    }
    const absl::Status full = OutOfDescriptors(pagemap.error);
    return full.ok() ? PagemapDenied(pid) : full;
  }
  std::unique_ptr<ProcessIdentity> identity(new ProcessIdentity(
      system, {pid, stat->start_time_ticks}, std::move(pidfd),
      Descriptor(system, static_cast<int>(pagemap.value))));
  if (!identity->alive()) return NoSuchProcess(pid);
  return identity;
}

bool ProcessIdentity::alive() const {
  return system_->PidfdHasExited(pidfd_.get()).value == 0 && pagemap_.alive();
}

}  // namespace pageferry::kernel
