#include "server/kernel/damon.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace pageferry::kernel {
namespace {

// The longest window that Linux counts right: reset_interval_ms goes through
// msecs_to_jiffies(), which takes 2^31 and more for "never", and a quota whose
// first window never comes is none.
constexpr uint64_t kLongestWindowMs = 2147483647;

// Frames for the proof: the first of the machine, which firmware keeps, so that
// even DAMON's sampling finds no page there.
constexpr PhysicalExtent kProofExtent = {core::PageFrameNumber(1), 64};

// Each look at the figures waits for one more round of the kdamond at least; on
// 6.12 for four. The first may come before the first application.
constexpr int kProofLooks = 4;

// For a new kdamond to get a CPU and begin its first round: kdamond_fn() looks
// whether it is to stop before that, and would then end without having done
// anything.
constexpr absl::Duration kTimeToBegin = absl::Milliseconds(5);

}  // namespace

Damon::Damon(SystemCalls* system, std::string proc_root, std::string sys_root)
    : system_(system),
      proc_root_(std::move(proc_root)),
      sys_root_(std::move(sys_root)),
      available_(absl::FailedPreconditionError("not tried yet")) {}

absl::Status Damon::available() const {
  const core::MutexLock lock(&mutex_);
  return available_;
}

bool Damon::may_be_had() const {
  const absl::Status status = available();
  return status.ok() || absl::IsUnavailable(status);
}

void Damon::Note(Once once, absl::Status available) {
  const core::MutexLock lock(&mutex_);
  once_ = once;
  available_ = std::move(available);
}

void Damon::Prepare() {
  const core::MutexLock lock(&slot_mutex_);
  Prove().IgnoreError();
}

DamonQuota Damon::QuotaOf(Once once, uint64_t bytes) {
  if (once == Once::kLateWindow) return {1, 1};
  return {bytes, kLongestWindowMs};
}

absl::Status Damon::Prove() {
  absl::Status why = absl::UnimplementedError(
      "this kernel's DAMON cannot be made to apply a scheme just once");
  for (const Once once : {Once::kLateWindow, Once::kExactQuota}) {
    const absl::StatusOr<bool> proved = AppliesOnce(once);
    if (proved.ok() && *proved) {
      Note(once, absl::OkStatus());
      return absl::OkStatus();
    }
    if (proved.ok()) continue;
    // While another has DAMON nothing is known, and it may be tried again.
    const bool busy = absl::IsUnavailable(proved.status()) ||
                      absl::IsAborted(proved.status());
    why = busy ? absl::UnavailableError(proved.status().message())
               : proved.status();
    Note(busy ? Once::kUnknown : Once::kImpossible, why);
    return why;
  }
  Note(Once::kImpossible, why);
  return why;
}

absl::StatusOr<bool> Damon::AppliesOnce(Once once) {
  absl::StatusOr<DamonSlot> slot =
      DamonSlot::Claim(system_, proc_root_, sys_root_);
  if (!slot.ok()) return slot.status();
  const uint64_t bytes = kProofExtent.pages * core::kPageBytes;
  // That the action to be used is there is proved by writing it down.
  absl::Status status =
      slot->Configure({"migrate_cold", core::NodeId(0), QuotaOf(once, bytes)},
                      {&kProofExtent, 1});
  if (status.ok()) {
    status =
        slot->Configure({"stat", core::NodeId::Unknown(), QuotaOf(once, bytes)},
                        {&kProofExtent, 1});
  }
  if (status.ok()) status = slot->TurnOn();
  if (!status.ok()) return status;
  uint64_t applied = 0;
  for (int look = 0; look < kProofLooks; ++look) {
    const absl::StatusOr<uint64_t> seen = slot->AppliedBytes();
    if (!seen.ok()) return seen.status();
    applied = *seen;
  }
  return applied == bytes;
}

absl::Status Damon::Move(core::NodeId destination,
                         absl::Span<const PhysicalExtent> extents,
                         const std::function<bool()>& still_right,
                         const core::MigrationControl& control) {
  if (!slot_mutex_.TryLock()) {
    return absl::UnavailableError("another migration uses DAMON");
  }
  absl::Status status;
  Once once = Once::kUnknown;
  {
    const core::MutexLock lock(&mutex_);
    once = once_;
    status = available_;
  }
  if (once == Once::kUnknown) {
    status = Prove();
    const core::MutexLock lock(&mutex_);
    once = once_;
  }
  if (status.ok()) {
    status = Apply(once, destination, extents, still_right, control);
  }
  slot_mutex_.Unlock();
  return status;
}

absl::Status Damon::Apply(Once once, core::NodeId destination,
                          absl::Span<const PhysicalExtent> extents,
                          const std::function<bool()>& still_right,
                          const core::MigrationControl& control) {
  absl::StatusOr<DamonSlot> slot =
      DamonSlot::Claim(system_, proc_root_, sys_root_);
  if (!slot.ok()) return slot.status();
  const uint64_t bytes = TotalPages(extents) * core::kPageBytes;
  absl::Status status = slot->Configure(
      {"migrate_cold", destination, QuotaOf(once, bytes)}, extents);
  if (!status.ok()) return status;
  if (!still_right()) return absl::AbortedError("the pages have changed");
  status = slot->TurnOn();
  if (!status.ok()) return status;
  control.Pause(kTimeToBegin);
  slot->TurnOff();
  return absl::OkStatus();
}

}  // namespace pageferry::kernel
