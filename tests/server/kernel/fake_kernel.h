// A scripted Linux: processes with pages in every state, nodes with room, /proc
// and /sys as far as pageferryd reads them, and a move_pages(2) that answers as
// the real one does, omissions included. Rules and their sources: do_pages_move
// and do_pages_stat in mm/migrate.c, Linux 6.1 and 6.12.

#ifndef PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_KERNEL_H_
#define PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_KERNEL_H_

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "server/core/clock.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"
#include "tests/server/kernel/fake_damon.h"
#include "tests/server/kernel/fake_memory.h"
#include "tests/server/kernel/fake_process.h"

namespace pageferry::kernel {

// What differs from kernel to kernel.
struct KernelBehaviour {
  // Pages behind a NUMA hint or PROT_NONE are "not there": 6.1 to 6.4.
  bool hides_protected = false;
  // A hugetlb page is refused by a tail address: 6.1.
  bool refuses_hugetlb_tails = false;
  // Untouched private memory is ENOENT, not EFAULT: 6.12.
  bool untouched_is_enoent = false;
  // Failures of the last run return 0: 5.6 to 6.0.
  bool forgets_last_run = false;
  // A shortage met by a huge page is a mere failure.
  bool huge_shortage_is_failure = false;
};

// A call that asked to move pages.
struct MoveCall {
  int32_t pid = 0;
  std::vector<uint64_t> pages;  // page numbers
  int node = 0;
  int flags = 0;
  SystemResult result;
};

// Used by one thread.
class FakeKernel final : public SystemCalls {
 public:
  static constexpr int32_t kOwnPid = 4242;
  static constexpr int32_t kProbePid = 4243;
  static constexpr uint64_t kOwnPage = 0x700;  // page number

  // `clock` must outlive this.
  explicit FakeKernel(core::FakeClock* clock);

  FakeProcess* AddProcess(int32_t pid, uint64_t start_time_ticks = 1000);
  FakeProcess* own() { return processes_.at(kOwnPid).get(); }
  void Exit(int32_t pid);
  // The process becomes another program: new pages, same pid and start time.
  void Exec(int32_t pid);
  // Overrides or adds a file.
  void SetFile(const std::string& path, const std::string& text);
  // Lets every open of a file fail with `error`.
  void FailFile(const std::string& path, int error) { errors_[path] = error; }

  FakeMemory memory;
  FakeDamon damon{&memory};
  KernelBehaviour behaviour;
  uint64_t capabilities = ~uint64_t{0};
  bool frame_files_open = true;  // kpageflags and kpagecount
  bool seccomp_denies = false;   // move_pages
  bool pidfd_open_denied = false;
  bool fork_denied = false;
  bool scans_pagemap = true;
  // Capabilities do not count: a user namespace of its own.
  bool in_user_namespace = false;
  std::string release = "6.12.0-fake";
  // Time that a moving call takes.
  absl::Duration call_cost;
  absl::Duration page_cost;
  // Called before and after a moving call, with its number from 0.
  std::function<void(int)> before_move;
  std::function<void(int)> after_move;
  // Called before a location query.
  std::function<void()> before_query;
  // Called before pages are touched.
  std::function<void()> before_touch;
  // Called before kpageflags is read.
  std::function<void()> before_frame_read;
  // Called when a file is opened.
  std::function<void(const std::string&)> before_open;

  // What was asked of it.
  uint64_t pagemap_entries_read = 0;
  std::vector<MoveCall> moves;
  std::vector<uint64_t> touched;  // page numbers
  std::vector<uint64_t> copied;   // touched though shared: now a private copy
  size_t open_descriptors() const { return files_.size(); }

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
  void Close(int descriptor) override { files_.erase(descriptor); }
  SystemResult WriteFile(int directory, const std::string& path,
                         absl::string_view text) override;
  SystemResult ScanPagemap(int descriptor, uint64_t start, uint64_t end,
                           absl::Span<core::PageRun> runs,
                           uint64_t* walked_to) override;
  absl::StatusOr<std::vector<std::string>> ListDirectory(
      const std::string& path) override;
  uint64_t EffectiveCapabilities() override { return capabilities; }
  std::string KernelRelease() override { return release; }
  int32_t OwnPid() override { return kOwnPid; }
  uint64_t OwnPage() override;
  SystemResult StartProbe() override;
  void EndProbe(int32_t pid) override { Exit(pid); }

 private:
  enum class Kind {
    kText,
    kPagemap,
    kFrameFlags,
    kFrameCounts,
    kPidfd,
    kDamonSlot
  };
  struct File {
    Kind kind = Kind::kText;
    std::string text;
    std::shared_ptr<FakeProcess> process;
    int execs = 0;  // of the process when it was opened
    bool frames_visible = false;
    int damon_generation = 0;  // when a slot's folder was opened
  };

  // Whether a capability counts in the initial user namespace.
  bool Capable(int capability) const {
    return !in_user_namespace && (capabilities >> capability & 1) != 0;
  }
  std::shared_ptr<FakeProcess> FindProcess(int32_t pid) const;
  SystemResult OpenFile(File file);
  SystemResult OpenOfProcess(const std::string& process,
                             const std::string& name);
  uint64_t Word(const File& file, uint64_t index);
  int CheckMovePages(const FakeProcess* process, int flags) const;
  int StatusOf(FakeProcess* process, uint64_t page) const;
  int64_t MoveEntries(FakeProcess* process, absl::Span<const uint64_t> pages,
                      absl::Span<const int> nodes, absl::Span<int> statuses,
                      bool all);
  int Queue(FakeProcess* process, uint64_t page, int node, bool all);
  int64_t MoveQueue(int node);

  core::FakeClock* const clock_;
  std::map<int32_t, std::shared_ptr<FakeProcess>> processes_;
  std::map<std::string, std::string> texts_;
  std::map<std::string, int> errors_;
  std::map<int, File> files_;
  int next_descriptor_ = 3;
  // What a call has isolated and not yet moved, in order, and as a set.
  std::vector<FakeFolio*> queue_;
  std::set<const FakeFolio*> queued_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_KERNEL_H_
