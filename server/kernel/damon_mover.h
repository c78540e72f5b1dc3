// Fidelity KERNEL: those pages of a batch that lie in few enough physical
// extents are moved by DAMON, in MIGRATE_ASYNC; the rest is left to the
// screened way.

#ifndef PAGEFERRY_SERVER_KERNEL_DAMON_MOVER_H_
#define PAGEFERRY_SERVER_KERNEL_DAMON_MOVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/batch_mover.h"
#include "server/core/telemetry.h"
#include "server/kernel/damon.h"
#include "server/kernel/page_look.h"
#include "server/kernel/page_mover.h"

namespace pageferry::kernel {

// Physical extents that are worth an application, and what lies in them.
struct ExtentPlan {
  std::vector<PhysicalExtent> extents;
  // The folios whose frames they are, as indices.
  std::vector<size_t> folios;
};

// Chooses among folios whose frames are visible. Left out: folios of which only
// a part was requested, hugetlb pages, which DAMON does not move, and what lies
// too scattered to be worth it; that may be all.
ExtentPlan PlanExtents(absl::Span<const MovingPage> pages,
                       absl::Span<const MovingFolio> folios);

// Used by one thread at a time, for one process and one migration. Needs
// visible frames.
class DamonMover {
 public:
  // All pointers must outlive this.
  DamonMover(SystemCalls* system, std::string proc_root, Damon* damon,
             const ProcessIdentity* process, PageLooker* looker,
             const core::MoveParameters& parameters,
             core::Telemetry* telemetry);

  // Tries to move `folios` to `destination`, once. Answers kMoved for pages
  // that are there afterwards; leaves all others kUntried, and does nothing at
  // all where DAMON is not to be had, the destination is outside the process's
  // cpuset or has no room above its low watermark, or a page has changed its
  // frame or its sharers since it was looked at: then the screened way is as
  // good. Returns as BatchMover::TryBatch does.
  core::StopReason Move(core::NodeId destination, absl::Span<MovingPage> pages,
                        absl::Span<const MovingFolio> folios,
                        const core::MigrationControl& control);

  // Counts applications as kernel calls, and pages with fidelity KERNEL.
  const core::MoverStatistics& statistics() const { return statistics_; }

 private:
  bool MayGoTo(core::NodeId destination, uint64_t pages);
  bool Unchanged(absl::Span<const MovingPage> pages);
  core::StopReason Verify(core::NodeId destination,
                          absl::Span<MovingPage> pages);

  SystemCalls* const system_;
  const std::string proc_root_;
  Damon* const damon_;
  const ProcessIdentity* const process_;
  PageLooker* const looker_;
  const core::MoveParameters parameters_;
  core::Telemetry* const telemetry_;
  core::MoverStatistics statistics_;
  // The pages of the running Move() that are in its extents.
  std::vector<size_t> chosen_;
  std::vector<uint64_t> addresses_;
  std::vector<PageView> views_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_DAMON_MOVER_H_
