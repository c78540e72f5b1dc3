// Stands in for a mover where there is none: accounts for every page and tries
// none.

#ifndef PAGEFERRY_SERVER_CORE_IDLE_MOVER_H_
#define PAGEFERRY_SERVER_CORE_IDLE_MOVER_H_

#include "server/core/batch_mover.h"
#include "server/core/control.h"
#include "server/core/types.h"

namespace pageferry::core {

class IdleMover final : public BatchMover {
 public:
  // Every page fails with `reason`; with kNone, pages are left untried and
  // `stop` says why.
  IdleMover(StopReason stop, Reason reason) : stop_(stop), reason_(reason) {}

  uint32_t preferred_batch_pages() const override { return kHugePagePages; }

  StopReason TryBatch(const Batch& batch, const MigrationControl&) override {
    for (PageAttempt& attempt : batch.pages) {
      if (attempt.answer != Answer::kUntried || reason_ == Reason::kNone) {
        continue;
      }
      attempt.answer = Answer::kFailed;
      attempt.reason = reason_;
    }
    return stop_;
  }

  const MoverStatistics& statistics() const override { return statistics_; }

 private:
  const StopReason stop_;
  const Reason reason_;
  const MoverStatistics statistics_;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_IDLE_MOVER_H_
