// The seam to Linux: every system call that this room makes, so that tests can
// put a scripted kernel in its place.

#ifndef PAGEFERRY_SERVER_KERNEL_SYSTEM_CALLS_H_
#define PAGEFERRY_SERVER_KERNEL_SYSTEM_CALLS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/core/types.h"

namespace pageferry::kernel {

// What a system call returned, and errno where that was -1 (0 otherwise).
struct SystemResult {
  int64_t value = 0;
  int error = 0;

  bool ok() const { return value >= 0; }
};

// Flags of move_pages(2): move pages that only this process maps, or all.
inline constexpr int kMovePagesExclusive = 2;  // MPOL_MF_MOVE
inline constexpr int kMovePagesAll = 4;        // MPOL_MF_MOVE_ALL

// For WriteFile: the path stands for itself.
inline constexpr int kNoDirectory = -100;  // AT_FDCWD

// Thread-safe. Every method blocks as long as its system call does.
class SystemCalls {
 public:
  virtual ~SystemCalls() = default;

  // move_pages(2). `nodes` empty: asks for locations. `statuses` has as many
  // elements as `addresses`; what the kernel writes none for stays. Not
  // interruptible by any signal.
  virtual SystemResult MovePages(int32_t pid,
                                 absl::Span<const uint64_t> addresses,
                                 absl::Span<const int> nodes,
                                 absl::Span<int> statuses, int flags) = 0;

  // pidfd_open(2): a descriptor of the process, close-on-exec.
  virtual SystemResult PidfdOpen(int32_t pid) = 0;

  // poll(2) of a pidfd without waiting: value 1 when the process has exited.
  virtual SystemResult PidfdHasExited(int pidfd) = 0;

  // process_vm_readv(2) of the first byte of each page: touches them. Returns
  // the number of bytes read; stops before the first that cannot be.
  virtual SystemResult ReadFirstBytes(int32_t pid,
                                      absl::Span<const uint64_t> addresses) = 0;

  // open(2), read-only and close-on-exec; pread(2); close(2).
  virtual SystemResult Open(const std::string& path) = 0;
  virtual SystemResult Pread(int descriptor, void* buffer, uint64_t size_bytes,
                             uint64_t offset_bytes) = 0;
  virtual void Close(int descriptor) = 0;

  // openat(2) for writing, one write(2) of all of `text`, close(2): for files
  // of sysfs, which take a value as a whole. Creates nothing. `directory`: an
  // open directory that `path` starts from, or kNoDirectory.
  virtual SystemResult WriteFile(int directory, const std::string& path,
                                 absl::string_view text) = 0;

  // ioctl(2) PAGEMAP_SCAN of a pagemap (Linux 6.7;
  // Documentation/admin-guide/mm/ pagemap.rst): the runs of pages in [start,
  // end), addresses of pages, that are in memory, ascending. Returns how many
  // it has written to `runs`;
  // `*walked_to` is where to go on. ENOTTY where the kernel cannot.
  virtual SystemResult ScanPagemap(int descriptor, uint64_t start, uint64_t end,
                                   absl::Span<core::PageRun> runs,
                                   uint64_t* walked_to) = 0;

  // The names in a directory, unordered, without "." and "..".
  virtual absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) = 0;

  // capget(2) of this thread: the effective capabilities as a bit mask.
  virtual uint64_t EffectiveCapabilities() = 0;

  // uname(2): the release of the running kernel.
  virtual std::string KernelRelease() = 0;

  // getpid(2).
  virtual int32_t OwnPid() = 0;

  // The address of a page of this process that is in memory: to try things on.
  virtual uint64_t OwnPage() = 0;

  // fork(2): a child that has a page of its own there, is not dumpable (so
  // that ptrace access to it takes CAP_SYS_PTRACE: ptrace(2), "Ptrace access
  // mode checking"), and sleeps until EndProbe() or this process ends. Its pid.
  virtual SystemResult StartProbe() = 0;
  virtual void EndProbe(int32_t pid) = 0;
};

class LinuxSystemCalls : public SystemCalls {
 public:
  SystemResult MovePages(int32_t pid, absl::Span<const uint64_t> addresses,
                         absl::Span<const int> nodes, absl::Span<int> statuses,
                         int flags) override;
  SystemResult PidfdOpen(int32_t pid) override;
  SystemResult PidfdHasExited(int pidfd) override;
  SystemResult ReadFirstBytes(int32_t pid,
                              absl::Span<const uint64_t> addresses) override;
  SystemResult Open(const std::string& path) override;
  SystemResult Pread(int descriptor, void* buffer, uint64_t size_bytes,
                     uint64_t offset_bytes) override;
  void Close(int descriptor) override;
  SystemResult ScanPagemap(int descriptor, uint64_t start, uint64_t end,
                           absl::Span<core::PageRun> runs,
                           uint64_t* walked_to) override;
  SystemResult WriteFile(int directory, const std::string& path,
                         absl::string_view text) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;
  uint64_t EffectiveCapabilities() override;
  std::string KernelRelease() override;
  int32_t OwnPid() override;
  uint64_t OwnPage() override;
  SystemResult StartProbe() override;
  void EndProbe(int32_t pid) override;
};

// A whole text file, of procfs or sysfs too, where sizes are not told.
absl::StatusOr<std::string> ReadTextFile(SystemCalls& system,
                                         const std::string& path);

// An owned descriptor of SystemCalls::Open or PidfdOpen.
class Descriptor {
 public:
  Descriptor() = default;
  Descriptor(SystemCalls* system, int descriptor)
      : system_(system), descriptor_(descriptor) {}
  ~Descriptor() { Reset(); }
  Descriptor(Descriptor&& other) noexcept
      : system_(other.system_), descriptor_(other.Release()) {}
  Descriptor& operator=(Descriptor&& other) noexcept {
    Reset();
    system_ = other.system_;
    descriptor_ = other.Release();
    return *this;
  }

  bool open() const { return descriptor_ >= 0; }
  int get() const { return descriptor_; }

 private:
  int Release() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    return descriptor;
  }
  void Reset() {
    if (open()) system_->Close(Release());
  }

  SystemCalls* system_ = nullptr;
  int descriptor_ = -1;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_SYSTEM_CALLS_H_
