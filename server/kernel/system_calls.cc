#include "server/kernel/system_calls.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pageferry::kernel {
namespace {

// IOV_MAX of Linux.
constexpr size_t kMaxVectors = 1024;

// struct page_region and struct pm_scan_arg of include/uapi/linux/fs.h, Linux
// 6.7; the headers that this is built with may be older.
struct PageRegion {
  uint64_t start;
  uint64_t end;
  uint64_t categories;
};
struct PagemapScan {
  uint64_t size;
  uint64_t flags;
  uint64_t start;
  uint64_t end;
  uint64_t walk_end;
  uint64_t regions;
  uint64_t region_count;
  uint64_t max_pages;
  uint64_t inverted;
  uint64_t required;
  uint64_t any_of;
  uint64_t returned;
};
constexpr uint64_t kPageIsPresent = 1 << 3;

// A page that nothing else is on.
alignas(4096) volatile char own_page[4096];

SystemResult Result(int64_t value) { return {value, value < 0 ? errno : 0}; }

}  // namespace

SystemResult LinuxSystemCalls::MovePages(int32_t pid,
                                         absl::Span<const uint64_t> addresses,
                                         absl::Span<const int> nodes,
                                         absl::Span<int> statuses, int flags) {
  static_assert(sizeof(void*) == sizeof(uint64_t));
  return Result(syscall(SYS_move_pages, pid, addresses.size(), addresses.data(),
                        nodes.empty() ? nullptr : nodes.data(), statuses.data(),
                        flags));
}

SystemResult LinuxSystemCalls::PidfdOpen(int32_t pid) {
  return Result(syscall(SYS_pidfd_open, pid, 0));
}

SystemResult LinuxSystemCalls::PidfdHasExited(int pidfd) {
  pollfd poll_descriptor = {pidfd, POLLIN, 0};
  int result = 0;
  do {
    result = poll(&poll_descriptor, 1, 0);
  } while (result < 0 && errno == EINTR);
  return Result(result);
}

SystemResult LinuxSystemCalls::ReadFirstBytes(
    int32_t pid, absl::Span<const uint64_t> addresses) {
  const size_t count = std::min(addresses.size(), kMaxVectors);
  char bytes[kMaxVectors];
  iovec remote[kMaxVectors];
  for (size_t i = 0; i < count; ++i) {
    remote[i] = {reinterpret_cast<void*>(addresses[i]), 1};
  }
  const iovec local = {bytes, count};
  return Result(process_vm_readv(pid, &local, 1, remote, count, 0));
}

SystemResult LinuxSystemCalls::Open(const std::string& path) {
  return Result(open(path.c_str(), O_RDONLY | O_CLOEXEC));
}

SystemResult LinuxSystemCalls::Pread(int descriptor, void* buffer,
                                     uint64_t size_bytes,
                                     uint64_t offset_bytes) {
  ssize_t result = 0;
  do {
    result =
        pread(descriptor, buffer, size_bytes, static_cast<off_t>(offset_bytes));
  } while (result < 0 && errno == EINTR);
  return Result(result);
}

void LinuxSystemCalls::Close(int descriptor) { close(descriptor); }

SystemResult LinuxSystemCalls::ScanPagemap(int descriptor, uint64_t start,
                                           uint64_t end,
                                           absl::Span<core::PageRun> runs,
                                           uint64_t* walked_to) {
  std::vector<PageRegion> regions(runs.size());
  PagemapScan scan = {};
  scan.size = sizeof(scan);
  scan.start = start;
  scan.end = end;
  scan.regions = reinterpret_cast<uint64_t>(regions.data());
  scan.region_count = regions.size();
  scan.required = kPageIsPresent;
  scan.returned = kPageIsPresent;
  const SystemResult result =
      Result(ioctl(descriptor, _IOWR('f', 16, PagemapScan), &scan));
  if (!result.ok()) return result;
  for (int64_t i = 0; i < result.value; ++i) {
    const PageRegion& region = regions[static_cast<size_t>(i)];
    runs[static_cast<size_t>(i)] = {
        core::VirtualAddress(region.start),
        (region.end - region.start) >> core::kPageShift};
  }
  *walked_to = scan.walk_end;
  return result;
}

SystemResult LinuxSystemCalls::WriteFile(int directory, const std::string& path,
                                         absl::string_view text) {
  static_assert(kNoDirectory == AT_FDCWD);
  const int file = openat(directory, path.c_str(), O_WRONLY | O_CLOEXEC);
  if (file < 0) return Result(file);
  const SystemResult written = Result(write(file, text.data(), text.size()));
  close(file);
  return written;
}

absl::StatusOr<std::vector<std::string>> LinuxSystemCalls::ListDirectory(
    const std::string& path) {
  DIR* directory = opendir(path.c_str());
  if (directory == nullptr) {
    return absl::ErrnoToStatus(errno, absl::StrCat("cannot list ", path));
  }
  std::vector<std::string> names;
  while (const dirent* entry = readdir(directory)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(directory);
  return names;
}

uint64_t LinuxSystemCalls::EffectiveCapabilities() {
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {};
  if (syscall(SYS_capget, &header, data) != 0) return 0;
  return uint64_t{data[1].effective} << 32 | data[0].effective;
}

std::string LinuxSystemCalls::KernelRelease() {
  utsname names = {};
  return uname(&names) == 0 ? names.release : "";
}

int32_t LinuxSystemCalls::OwnPid() { return getpid(); }

uint64_t LinuxSystemCalls::OwnPage() {
  own_page[0] = 1;
  return reinterpret_cast<uint64_t>(own_page);
}

SystemResult LinuxSystemCalls::StartProbe() {
  int ready[2];
  if (pipe2(ready, O_CLOEXEC) != 0) return Result(-1);
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    // Only what is safe after a fork of a process with threads.
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(1);  // it ended before that was said
    prctl(PR_SET_DUMPABLE, 0);
    own_page[0] = 2;  // now this process's own
    const char byte = 0;
    if (write(ready[1], &byte, 1) != 1) _exit(1);
    for (;;) pause();
  }
  const SystemResult result = Result(pid);
  close(ready[1]);
  char byte = 0;
  if (result.ok()) {
    while (read(ready[0], &byte, 1) < 0 && errno == EINTR) {
    }
  }
  close(ready[0]);
  return result;
}

void LinuxSystemCalls::EndProbe(int32_t pid) {
  kill(pid, SIGKILL);
  while (waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
}

absl::StatusOr<std::string> ReadTextFile(SystemCalls& system,
                                         const std::string& path) {
  const SystemResult opened = system.Open(path);
  if (!opened.ok()) {
    return absl::ErrnoToStatus(opened.error,
                               absl::StrCat("cannot open ", path));
  }
  const Descriptor file(&system, static_cast<int>(opened.value));
  std::string text;
  constexpr size_t kStride = 64 * 1024;
  for (;;) {
    const size_t size = text.size();
    text.resize(size + kStride);
    const SystemResult read =
        system.Pread(file.get(), text.data() + size, kStride, size);
    text.resize(size + (read.ok() ? static_cast<size_t>(read.value) : 0));
    if (!read.ok()) {
      return absl::ErrnoToStatus(read.error,
                                 absl::StrCat("cannot read ", path));
    }
    if (read.value == 0) return text;
  }
}

}  // namespace pageferry::kernel
