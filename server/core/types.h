// The words of this project as types. See each enumeration for what its values
// promise; the public contract (proto/pageferry/v1/migration.proto) has the
// same values under the same names.

#ifndef PAGEFERRY_SERVER_CORE_TYPES_H_
#define PAGEFERRY_SERVER_CORE_TYPES_H_

#include <compare>
#include <cstdint>

namespace pageferry::core {

// A page, unless said otherwise, is a base page: 4,096 bytes on x86-64.
inline constexpr int kPageShift = 12;
inline constexpr uint64_t kPageBytes = uint64_t{1} << kPageShift;

// Base pages of a 2 MiB huge page, the size of transparent huge pages.
inline constexpr uint32_t kHugePagePages = 512;

// A NUMA node by the kernel's id. Unknown() stands for "not seen".
class NodeId {
 public:
  constexpr NodeId() = default;
  explicit constexpr NodeId(int32_t value) : value_(value) {}

  static constexpr NodeId Unknown() { return NodeId(); }

  constexpr int32_t value() const { return value_; }
  constexpr bool known() const { return value_ >= 0; }

  friend constexpr auto operator<=>(NodeId, NodeId) = default;

 private:
  int32_t value_ = -1;
};

// A virtual address in a target process, in bytes.
class VirtualAddress {
 public:
  constexpr VirtualAddress() = default;
  explicit constexpr VirtualAddress(uint64_t value) : value_(value) {}

  static constexpr VirtualAddress OfPage(uint64_t page_number) {
    return VirtualAddress(page_number << kPageShift);
  }

  constexpr uint64_t value() const { return value_; }
  constexpr uint64_t page_number() const { return value_ >> kPageShift; }

  // The address of the page that holds this address.
  constexpr VirtualAddress PageStart() const {
    return VirtualAddress(value_ & ~(kPageBytes - 1));
  }

  // The address that many pages further on. Must not pass the end of the
  // address space.
  constexpr VirtualAddress PlusPages(uint64_t pages) const {
    return VirtualAddress(value_ + (pages << kPageShift));
  }

  friend constexpr auto operator<=>(VirtualAddress, VirtualAddress) = default;

 private:
  uint64_t value_ = 0;
};

// No user address space is larger than 2^56 bytes (five-level page tables of
// x86-64); nothing from here on is a page of a process.
inline constexpr VirtualAddress kEndOfUserAddresses(uint64_t{1} << 56);

// A page frame of physical memory, in base pages.
class PageFrameNumber {
 public:
  constexpr PageFrameNumber() = default;
  explicit constexpr PageFrameNumber(uint64_t value) : value_(value) {}

  constexpr uint64_t value() const { return value_; }

  friend constexpr auto operator<=>(PageFrameNumber, PageFrameNumber) = default;

 private:
  uint64_t value_ = 0;
};

// Consecutive pages of an address space. `start` is the address of a page.
struct PageRun {
  VirtualAddress start;
  uint64_t pages = 0;

  VirtualAddress end() const { return start.PlusPages(pages); }

  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// A process. Pids are reused; a pid and a start time are not.
struct ProcessId {
  int32_t pid = 0;
  // Field 22 of /proc/PID/stat: clock ticks after boot.
  uint64_t start_time_ticks = 0;

  friend bool operator==(const ProcessId&, const ProcessId&) = default;
};

// How long a migration may wait on one page.
enum class Mode : uint8_t {
  kAsync = 1,      // never waits
  kSyncLight = 2,  // waits for page locks in forced passes
  kSync = 3,       // waits for page locks and writeback in forced passes
};

// How a mode is kept.
enum class Fidelity : uint8_t {
  kScreened = 1,  // what the mode may not wait for is held back beforehand
  kKernel = 2,    // the kernel itself runs the migration in the mode
  kModel = 3,     // the model runs the mode exactly
};

// What became of a page.
enum class Outcome : uint8_t {
  kMoved = 1,
  kAlreadyPlaced = 2,
  kFailed = 3,
  kNotAttempted = 4,
  kWouldMove = 5,  // in a dry run
};

// Why a page failed, was not attempted, is retried or cannot be located.
enum class Reason : uint8_t {
  kNone = 0,
  kNotPresent = 1,
  kSwappedOut = 2,
  kZeroPage = 3,
  kNotMapped = 4,
  kNotMovable = 5,
  kShared = 6,
  kLocked = 7,
  kWriteback = 8,
  kDirty = 9,
  kNumaHint = 10,
  kPinned = 11,
  kBusy = 12,
  kNoMemory = 13,
  kCpuset = 14,
  kFolioConflict = 15,
  kProcessExited = 16,
  kPermissionLost = 17,
  kUnsupported = 18,
  kIoError = 19,
  kInvalid = 20,
  kCancelled = 21,
  kTimeBudget = 22,
  kDraining = 23,
  kAborted = 24,
};
inline constexpr int kReasonCount = 25;

// Why a migration ended.
enum class StopReason : uint8_t {
  kNone = 0,  // it has not
  kCompleted = 1,
  kCancelled = 2,
  kTimeBudget = 3,
  kProcessExited = 4,
  kPermissionLost = 5,
  kDestinationFull = 6,
  kDraining = 7,
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_TYPES_H_
