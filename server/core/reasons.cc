#include "server/core/reasons.h"

#include <cerrno>

namespace pageferry::core {

absl::string_view ReasonName(Reason reason) {
  switch (reason) {
    case Reason::kNone:
      return "UNSPECIFIED";
    case Reason::kNotPresent:
      return "NOT_PRESENT";
    case Reason::kSwappedOut:
      return "SWAPPED_OUT";
    case Reason::kZeroPage:
      return "ZERO_PAGE";
    case Reason::kNotMapped:
      return "NOT_MAPPED";
    case Reason::kNotMovable:
      return "NOT_MOVABLE";
    case Reason::kShared:
      return "SHARED";
    case Reason::kLocked:
      return "LOCKED";
    case Reason::kWriteback:
      return "WRITEBACK";
    case Reason::kDirty:
      return "DIRTY";
    case Reason::kNumaHint:
      return "NUMA_HINT";
    case Reason::kPinned:
      return "PINNED";
    case Reason::kBusy:
      return "BUSY";
    case Reason::kNoMemory:
      return "NO_MEMORY";
    case Reason::kCpuset:
      return "CPUSET";
    case Reason::kFolioConflict:
      return "FOLIO_CONFLICT";
    case Reason::kProcessExited:
      return "PROCESS_EXITED";
    case Reason::kPermissionLost:
      return "PERMISSION_LOST";
    case Reason::kUnsupported:
      return "UNSUPPORTED";
    case Reason::kIoError:
      return "IO_ERROR";
    case Reason::kInvalid:
      return "INVALID";
    case Reason::kCancelled:
      return "CANCELLED";
    case Reason::kTimeBudget:
      return "TIME_BUDGET";
    case Reason::kDraining:
      return "DRAINING";
    case Reason::kAborted:
      return "ABORTED";
  }
  return "UNSPECIFIED";
}

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kMoved:
      return "MOVED";
    case Outcome::kAlreadyPlaced:
      return "ALREADY_PLACED";
    case Outcome::kFailed:
      return "FAILED";
    case Outcome::kNotAttempted:
      return "NOT_ATTEMPTED";
    case Outcome::kWouldMove:
      return "WOULD_MOVE";
  }
  return "UNSPECIFIED";
}

absl::string_view ModeName(Mode mode) {
  switch (mode) {
    case Mode::kAsync:
      return "ASYNC";
    case Mode::kSyncLight:
      return "SYNC_LIGHT";
    case Mode::kSync:
      return "SYNC";
  }
  return "UNSPECIFIED";
}

absl::string_view FidelityName(Fidelity fidelity) {
  switch (fidelity) {
    case Fidelity::kScreened:
      return "SCREENED";
    case Fidelity::kKernel:
      return "KERNEL";
    case Fidelity::kModel:
      return "MODEL";
  }
  return "UNSPECIFIED";
}

absl::string_view StopReasonName(StopReason reason) {
  switch (reason) {
    case StopReason::kNone:
      return "UNSPECIFIED";
    case StopReason::kCompleted:
      return "COMPLETED";
    case StopReason::kCancelled:
      return "CANCELLED";
    case StopReason::kTimeBudget:
      return "TIME_BUDGET";
    case StopReason::kProcessExited:
      return "PROCESS_EXITED";
    case StopReason::kPermissionLost:
      return "PERMISSION_LOST";
    case StopReason::kDestinationFull:
      return "DESTINATION_FULL";
    case StopReason::kDraining:
      return "DRAINING";
  }
  return "UNSPECIFIED";
}

int ErrnoOfReason(Reason reason) {
  switch (reason) {
    case Reason::kNotPresent:
    case Reason::kSwappedOut:
    case Reason::kNumaHint:
      return ENOENT;
    case Reason::kZeroPage:
    case Reason::kNotMapped:
    case Reason::kNotMovable:
      return EFAULT;
    case Reason::kShared:
    case Reason::kCpuset:
      return EACCES;
    case Reason::kLocked:
    case Reason::kPinned:
      return EAGAIN;
    case Reason::kWriteback:
    case Reason::kDirty:
    case Reason::kBusy:
    case Reason::kFolioConflict:
      return EBUSY;
    case Reason::kNoMemory:
      return ENOMEM;
    case Reason::kProcessExited:
      return ESRCH;
    case Reason::kPermissionLost:
      return EPERM;
    case Reason::kUnsupported:
      return ENOSYS;
    case Reason::kIoError:
      return EIO;
    case Reason::kInvalid:
      return EINVAL;
    case Reason::kNone:
    case Reason::kCancelled:
    case Reason::kTimeBudget:
    case Reason::kDraining:
    case Reason::kAborted:
      return 0;
  }
  return 0;
}

Reason ReasonOfStop(StopReason stop) {
  switch (stop) {
    case StopReason::kCancelled:
      return Reason::kCancelled;
    case StopReason::kTimeBudget:
      return Reason::kTimeBudget;
    case StopReason::kProcessExited:
      return Reason::kProcessExited;
    case StopReason::kPermissionLost:
      return Reason::kPermissionLost;
    case StopReason::kDraining:
      return Reason::kDraining;
    case StopReason::kNone:
    case StopReason::kCompleted:
    case StopReason::kDestinationFull:
      return Reason::kNone;
  }
  return Reason::kNone;
}

}  // namespace pageferry::core
