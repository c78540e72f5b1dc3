#include "server/core/migrate_process.h"

#include <memory>
#include <vector>

#include "server/core/idle_mover.h"
#include "server/core/refusal.h"

namespace pageferry::core {
namespace {

// Why a process that was taken on refuses to be looked at or moved now.
StopReason StopOf(const absl::Status& status) {
  return RefusalOf(status).reason == RefusalReason::kKernelRefuses
             ? StopReason::kPermissionLost
             : StopReason::kProcessExited;
}

// What moves the pages of a piece; or accounts for them, where the process does
// not take them any more.
std::unique_ptr<BatchMover> MoverOf(TargetProcess& process,
                                    const PageList& pages,
                                    const MoveParameters& parameters) {
  absl::StatusOr<std::unique_ptr<BatchMover>> mover =
      process.NewMover(pages, parameters);
  if (mover.ok()) return *std::move(mover);
  if (RefusalOf(mover.status()).reason == RefusalReason::kNodeNotAllowed) {
    return std::make_unique<IdleMover>(StopReason::kNone, Reason::kCpuset);
  }
  return std::make_unique<IdleMover>(StopOf(mover.status()), Reason::kNone);
}

// Tells of a piece what it is told, but progress as that of all pieces.
class PieceObserver final : public MigrationObserver {
 public:
  PieceObserver(const MigrationSummary* before, MigrationObserver* observer)
      : before_(*before), observer_(*observer) {}

  void OnTrying(uint64_t pages) override { observer_.OnTrying(pages); }
  void OnSettled(absl::Span<const SettledRun> runs) override {
    observer_.OnSettled(runs);
  }
  void OnPassCompleted(const PassFigures& pass) override {
    observer_.OnPassCompleted(pass);
  }
  void OnProgress(const MigrationSummary& so_far) override {
    observer_.OnProgress(Sum(before_, so_far));
  }

 private:
  const MigrationSummary& before_;
  MigrationObserver& observer_;
};

}  // namespace

StopReason MigrateProcess(TargetProcess& process,
                          absl::Span<const NodePair> pairs,
                          const ProcessOptions& options,
                          const MigrationControl& control,
                          absl::Span<RateLimiter* const> limiters,
                          ProcessObserver& observer, MigrationSummary* total) {
  ProcessWalk walk(
      &process, {pairs.begin(), pairs.end()},
      options.move.validate_only ? HiddenPages::kLeave : HiddenPages::kTouch,
      options.piece_pages);
  bool full = false;
  while (true) {
    const absl::StatusOr<absl::optional<PageList>> pages = walk.Next(control);
    if (!pages.ok()) return StopOf(pages.status());
    if (!pages->has_value()) break;
    observer.OnPiece(process.id(), **pages);
    const std::unique_ptr<BatchMover> mover =
        MoverOf(process, **pages, options.move);
    PieceObserver piece_observer(total, &observer);
    const MigrationSummary piece = MigratePages(
        **pages, options.migrate, *mover, control, limiters, piece_observer);
    *total = Sum(*total, piece);
    if (piece.stop_reason == StopReason::kDestinationFull) {
      full = true;
    } else if (piece.stop_reason != StopReason::kCompleted) {
      return piece.stop_reason;
    }
  }
  if (!walk.at_end()) return control.stop();
  return full ? StopReason::kDestinationFull : StopReason::kCompleted;
}

}  // namespace pageferry::core
