#include "server/kernel/screen.h"

namespace pageferry::kernel {

using core::Mode;
using core::Reason;

ScreenDecision Screen(Mode mode, bool forced, bool move_shared,
                      const PageView& view) {
  if (view.folio.has_value()) {
    const FrameFlags& flags = view.folio->flags;
    if (flags.writeback()) {
      if (mode != Mode::kSync) return {Screening::kFail, Reason::kWriteback};
      if (!forced) return {Screening::kHoldBack, Reason::kWriteback};
      return {Screening::kSubmitAlone, Reason::kNone};
    }
    if (flags.locked()) {
      if (mode == Mode::kAsync || !forced) {
        return {Screening::kHoldBack, Reason::kLocked};
      }
      return {Screening::kSubmitAlone, Reason::kNone};
    }
  }
  if (view.writes_out) {
    if (mode != Mode::kSync) return {Screening::kFail, Reason::kDirty};
    return {Screening::kSubmitAlone, Reason::kNone};
  }
  const bool likely_left = view.shared() && !move_shared;
  const bool off_lru = view.folio.has_value() && !view.folio->flags.lru() &&
                       !view.folio->flags.hugetlb();
  if (likely_left || off_lru) return {Screening::kSubmitLast, Reason::kNone};
  return {Screening::kSubmit, Reason::kNone};
}

}  // namespace pageferry::kernel
