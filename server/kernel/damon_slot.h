// DAMON's sysfs interface as far as Pageferry uses it: one kernel thread
// (kdamond), one list of physical extents, one scheme.
//
// Source: Documentation/admin-guide/mm/damon/usage.rst, mm/damon/sysfs*.c and
// mm/damon/core.c of Linux 6.12; seen on 6.12.117.
//
// The interface has no owner and no lock, and a kdamond goes on when the
// process that started it dies. Hence:
//
// - A slot is claimed only where nobody has configured anything. DAMON's own
//   modules (DAMON_RECLAIM, DAMON_LRU_SORT) are not seen here: the kernel
//   refuses to turn a slot on beside them (EBUSY).
// - A claimed slot is marked, in fields that mean nothing as long as the
//   scheme has no watermarks: "pageferr" as a number, our pid, our start time.
//   That proves later whose it was, and whether its owner still lives. Before
//   the mark a slot holds nothing that could run.
// - All writes go through a descriptor of the slot's folder: when somebody
//   makes the slots anew, they fail instead of hitting a stranger's.

#ifndef PAGEFERRY_SERVER_KERNEL_DAMON_SLOT_H_
#define PAGEFERRY_SERVER_KERNEL_DAMON_SLOT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/core/types.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Consecutive page frames.
struct PhysicalExtent {
  core::PageFrameNumber first;
  uint64_t pages = 0;

  friend bool operator==(const PhysicalExtent&,
                         const PhysicalExtent&) = default;
};

uint64_t TotalPages(absl::Span<const PhysicalExtent> extents);

// What a scheme may do at most in each window of time.
struct DamonQuota {
  uint64_t bytes = 0;
  uint64_t reset_interval_ms = 0;
};

// What is done to the extents.
struct DamonScheme {
  std::string action;   // "migrate_cold" moves, "stat" only counts
  core::NodeId target;  // for migrate_cold
  DamonQuota quota;
};

// A claimed slot; gives it back when destroyed. Needs the right to write
// /sys/kernel/mm/damon/admin: root's. Used by one thread at a time.
class DamonSlot {
 public:
  // Between two rounds of the kdamond, and before the first. More than 20 ms,
  // so that the kernel counts the sleep in ticks of its clock: then a window of
  // one tick is over by the next round, be the clock late as it may, and
  // turning off ends the sleep. (With 5 ms an overloaded virtual machine now
  // and then had two rounds in one tick.)
  static constexpr absl::Duration kRound = absl::Milliseconds(25);

  // Claims DAMON, after removing what a Pageferry left that lives no more.
  // Unavailable while another has it; NotFound or PermissionDenied where there
  // is none to be had.
  static absl::StatusOr<DamonSlot> Claim(SystemCalls* system,
                                         const std::string& proc_root,
                                         const std::string& sys_root);

  // Removes what a Pageferry left that lives no more, and nothing else.
  static void RemoveLeftOver(SystemCalls* system, const std::string& proc_root,
                             const std::string& sys_root);

  DamonSlot(DamonSlot&& other) noexcept = default;
  DamonSlot& operator=(DamonSlot&&) = delete;
  ~DamonSlot();

  // Writes everything down. `extents` ascending and disjoint, not empty.
  // Aborted when somebody took the slot away.
  absl::Status Configure(const DamonScheme& scheme,
                         absl::Span<const PhysicalExtent> extents);

  // Starts the kdamond, which applies the scheme a round later, and in each
  // round again as far as the quota lets it. Unavailable beside DAMON's own
  // modules.
  absl::Status TurnOn();

  // Ends it, when the round in which it is has been completed, at once: blocks
  // as long as moving the extents takes, not interruptible. A kdamond that had
  // not begun its first round ends without any.
  void TurnOff();

  // The bytes to which the scheme was applied so far, moved or not. Waits for
  // the next round of the kdamond, 100 ms on 6.12.
  absl::StatusOr<uint64_t> AppliedBytes();

 private:
  DamonSlot(SystemCalls* system, std::string kdamonds, Descriptor folder);
  absl::Status Mark(const std::string& proc_root);
  absl::Status Write(absl::string_view file, absl::string_view value);

  SystemCalls* system_;
  std::string kdamonds_;
  // Of the slot; not open any more once moved from.
  Descriptor folder_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_DAMON_SLOT_H_
