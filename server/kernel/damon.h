// Moves page frames the way the kernel itself would: MIGRATE_ASYNC, which no
// system call offers, but DAMON's action migrate_cold does (Linux 6.11).
//
// What makes it safe is that a scheme is applied once, whoever dies when: the
// kdamond of a killed daemon must not move what comes into the same frames
// later. DAMON has no "once". There are two ways to get it, and which holds
// depends on the kernel, so it is proved first, on the running kernel, by the
// action "stat", which counts and touches nothing:
//
// - "A window that comes late": from 6.12.48 and in 6.16 and 6.17, a quota does
//   not count before its second window (the change "set quota->charged_from to
//   jiffies at first charge window"; seen on 6.12.117, where a quota of the
//   list's size and the longest window let one scheme be applied hundreds of
//   times). There a quota of one byte, into which no page ever fits, and a
//   window of one tick let the first application pass, and no other, ever.
// - "The exact quota": elsewhere a quota of exactly the list's bytes counts at
//   once; the window is the longest that counts right, 24.8 days (2^31 ms and
//   more mean no quota at all). Only a daemon that is not started again for
//   that long leaves a second application.
//
// Where neither can be proved, nothing is moved this way.

#ifndef PAGEFERRY_SERVER_KERNEL_DAMON_H_
#define PAGEFERRY_SERVER_KERNEL_DAMON_H_

#include <functional>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/core/control.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/kernel/damon_slot.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// Thread-safe. One for each daemon.
class Damon {
 public:
  // `system` must outlive this.
  Damon(SystemCalls* system, std::string proc_root, std::string sys_root);

  // Removes what a dead Pageferry left, and finds out whether and how this
  // kernel can be made to apply a scheme once. Blocks, about 0.4 s for each way
  // that is tried on 6.12. For the daemon's start.
  void Prepare();

  // Whether KERNEL fidelity can be had here; if not, why: Unavailable where
  // another had DAMON when that was to be found out, so that it may be had
  // later. Does not block.
  absl::Status available() const;

  // Whether it is worth asking Move(): it can be had, or may be later.
  bool may_be_had() const;

  // Lets the kernel move what is in `extents` (ascending, disjoint) to
  // `destination`, in MIGRATE_ASYNC, whoever's it is: `still_right`, asked when
  // all is written down and nothing has started, has the last word. The
  // kernel begins 5 ms after that, with frames that may have changed hands. A
  // stop of `control` in between may call it off, or not.
  //
  // OK when the scheme was applied, which says nothing about any page.
  // Unavailable when another migration or another program has DAMON; Aborted
  // when `still_right` said no. Then nothing has moved. Blocks as long as the
  // moves take; not interruptible.
  absl::Status Move(core::NodeId destination,
                    absl::Span<const PhysicalExtent> extents,
                    const std::function<bool()>& still_right,
                    const core::MigrationControl& control);

 private:
  enum class Once { kUnknown, kLateWindow, kExactQuota, kImpossible };

  static DamonQuota QuotaOf(Once once, uint64_t bytes);
  absl::Status Prove() ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot_mutex_);
  absl::StatusOr<bool> AppliesOnce(Once once)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot_mutex_);
  absl::Status Apply(Once once, core::NodeId destination,
                     absl::Span<const PhysicalExtent> extents,
                     const std::function<bool()>& still_right,
                     const core::MigrationControl& control)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(slot_mutex_);
  void Note(Once once, absl::Status available);

  SystemCalls* const system_;
  const std::string proc_root_;
  const std::string sys_root_;
  // Held while a slot is ours.
  core::Mutex slot_mutex_;
  mutable core::Mutex mutex_;
  Once once_ ABSL_GUARDED_BY(mutex_) = Once::kUnknown;
  absl::Status available_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_DAMON_H_
