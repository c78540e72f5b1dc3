// What a mode may try: the table of design note 3, section 3, as a function.
//
// No system call takes a mode: move_pages(2) always waits as MIGRATE_SYNC does.
// So a mode is kept by holding back what it may not wait for. What would
// merely fail is not held back: that is the kernel's to say.

#ifndef PAGEFERRY_SERVER_KERNEL_SCREEN_H_
#define PAGEFERRY_SERVER_KERNEL_SCREEN_H_

#include "server/core/types.h"
#include "server/kernel/page_look.h"

namespace pageferry::kernel {

enum class Screening {
  kSubmit,       // with others, in calls of the mode's size
  kSubmitLast,   // after the others: likely to fail, without waiting
  kSubmitAlone,  // in a call of its own: the kernel may wait for it
  kHoldBack,     // not in this pass: "again"
  kFail,         // not at all in this mode
};

struct ScreenDecision {
  Screening screening = Screening::kSubmit;
  core::Reason reason = core::Reason::kNone;  // for kHoldBack and kFail
};

// Decides about a page that is resident away from its destination.
ScreenDecision Screen(core::Mode mode, bool forced, bool move_shared,
                      const PageView& view);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_SCREEN_H_
