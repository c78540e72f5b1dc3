// What the reasons mean to programs: their names and the errno that Linux's own
// interface has for them.

#ifndef PAGEFERRY_SERVER_CORE_REASONS_H_
#define PAGEFERRY_SERVER_CORE_REASONS_H_

#include "absl/strings/string_view.h"
#include "server/core/types.h"

namespace pageferry::core {

// The contract's name without its prefix, in capitals: "NOT_PRESENT". Values
// outside the enumeration give "UNSPECIFIED".
absl::string_view ReasonName(Reason reason);
absl::string_view OutcomeName(Outcome outcome);
absl::string_view ModeName(Mode mode);
absl::string_view FidelityName(Fidelity fidelity);
absl::string_view StopReasonName(StopReason reason);

// The positive errno of the kernel's contract (move_pages(2)) that fits the
// reason; 0 where none does.
int ErrnoOfReason(Reason reason);

// The reason that pages get which a stop leaves unattempted. kNone for
// kCompleted and kDestinationFull, which leave none for that reason.
Reason ReasonOfStop(StopReason stop);

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_REASONS_H_
