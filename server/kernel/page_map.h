// What Linux tells of a page without touching it: /proc/PID/pagemap by virtual
// page, /proc/kpageflags and /proc/kpagecount by page frame.
//
// Source of the bits: Linux 6.1 and 6.12, fs/proc/task_mmu.c, fs/proc/page.c,
// include/uapi/linux/kernel-page-flags.h; Documentation/admin-guide/mm/
// pagemap.rst. All of it is a snapshot and may be old when it is read.

#ifndef PAGEFERRY_SERVER_KERNEL_PAGE_MAP_H_
#define PAGEFERRY_SERVER_KERNEL_PAGE_MAP_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// One entry of /proc/PID/pagemap.
class PagemapEntry {
 public:
  constexpr PagemapEntry() = default;
  explicit constexpr PagemapEntry(uint64_t bits) : bits_(bits) {}

  // In memory. True for pages behind a NUMA hint or PROT_NONE, and for the
  // page of zeroes.
  bool present() const { return Bit(63); }
  // In swap, or a migration entry.
  bool swapped() const { return Bit(62); }
  // Of a file, or shared memory.
  bool file() const { return Bit(61); }
  // Mapped once.
  bool exclusive() const { return Bit(56); }
  bool soft_dirty() const { return Bit(55); }
  // 0 unless present and the descriptor was opened with CAP_SYS_ADMIN.
  core::PageFrameNumber frame() const {
    return core::PageFrameNumber(present() ? bits_ & ((uint64_t{1} << 55) - 1)
                                           : 0);
  }

  friend bool operator==(PagemapEntry, PagemapEntry) = default;

 private:
  bool Bit(int bit) const { return (bits_ >> bit & 1) != 0; }
  uint64_t bits_ = 0;
};

// /proc/PID/pagemap of one process, opened once and held: after an exec it
// reads nothing, though pid and start time stay (4-kernel-facts: seen on 6.1
// and 6.12). Mode 0400, owned by the process's owner: for others' processes
// CAP_DAC_READ_SEARCH, and ptrace read access. Used by one thread at a time.
class Pagemap {
 public:
  // `system` must outlive this.
  Pagemap(SystemCalls* system, Descriptor file);

  // Whether the address space that this was opened for still lives.
  bool alive() const;

  // Fills in the entries of entries.size() pages from `start`. Pages beyond
  // the user address space are not present. NotFound once the address space is
  // gone.
  absl::Status Read(core::VirtualAddress start,
                    absl::Span<PagemapEntry> entries) const;

  // The parts of `range` that are in memory, ascending. Where the kernel can
  // scan (Linux 6.7), the time does not grow with what is not there: programs
  // reserve terabytes. NotFound as Read(). Blocks.
  absl::StatusOr<std::vector<core::PageRun>> PresentRuns(
      core::PageRun range) const;

 private:
  // Nothing where the kernel cannot.
  absl::optional<std::vector<core::PageRun>> Scan(core::PageRun range) const;

  SystemCalls* const system_;
  const Descriptor file_;
};

// The flags of a page frame in /proc/kpageflags.
class FrameFlags {
 public:
  constexpr FrameFlags() = default;
  explicit constexpr FrameFlags(uint64_t bits) : bits_(bits) {}

  bool locked() const { return Bit(0); }
  bool referenced() const { return Bit(2); }
  bool dirty() const { return Bit(4); }
  bool lru() const { return Bit(5); }
  bool active() const { return Bit(6); }
  bool writeback() const { return Bit(8); }
  bool anonymous() const { return Bit(12); }
  bool swap_cache() const { return Bit(13); }
  // Anonymous, or of tmpfs: written out to swap, not to a file.
  bool swap_backed() const { return Bit(14); }
  bool compound_head() const { return Bit(15); }
  bool compound_tail() const { return Bit(16); }
  bool hugetlb() const { return Bit(17); }
  bool unevictable() const { return Bit(18); }
  bool hwpoison() const { return Bit(19); }
  bool ksm() const { return Bit(21); }
  bool thp() const { return Bit(22); }
  bool zero_page() const { return Bit(24); }
  bool mlocked() const { return Bit(33); }

 private:
  bool Bit(int bit) const { return (bits_ >> bit & 1) != 0; }
  uint64_t bits_ = 0;
};

// What is known of a folio by one of its frames.
struct FolioState {
  // Flags of its head: tails lack LOCKED, WRITEBACK and DIRTY on 6.1.
  FrameFlags flags;
  core::PageFrameNumber head;
  uint32_t pages = 1;
  // Mappings of the frame that was asked for.
  uint64_t map_count = 0;
};

// /proc/kpageflags and /proc/kpagecount: root only, and they show frames only
// to those who know them (CAP_SYS_ADMIN). Caches what it has read until
// Forget(). Used by one thread at a time.
class FrameStates {
 public:
  // PermissionDenied where they cannot be opened.
  static absl::StatusOr<FrameStates> Open(SystemCalls* system,
                                          const std::string& proc_root);

  // The folio that has `frame`. Frames that do not exist have no flags. A
  // folio larger than 2 MiB is reported by its 2 MiB part.
  FolioState Look(core::PageFrameNumber frame);

  // Forgets what was read, so that the next look is a fresh one.
  void Forget();

 private:
  // Values of naturally aligned frames, by their first.
  using Blocks = absl::flat_hash_map<uint64_t, std::vector<uint64_t>>;

  FrameStates(SystemCalls* system, Descriptor flags, Descriptor counts);
  const std::vector<uint64_t>& Read(Blocks* blocks, const Descriptor& file,
                                    uint64_t frame, uint64_t frames);

  SystemCalls* system_;
  Descriptor flags_;
  Descriptor counts_;
  // Neighbours of a frame are read with it, since they are often asked for
  // next; whole 2 MiB only where there is a large folio to be measured.
  Blocks near_flags_;
  Blocks near_counts_;
  Blocks huge_flags_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_PAGE_MAP_H_
