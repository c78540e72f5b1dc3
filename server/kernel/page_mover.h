// Moves folios with move_pages(2) and finds out, folio by folio, what really
// happened.
//
// Why the kernel's own statuses do not do (4-kernel-facts, seen on 6.1 and
// 6.12): a run of pages in which one fails gets no statuses at all, and what
// lies behind it is not tried; a full destination turns the call into ENOMEM
// after thousands have moved; a page that moved with its huge page is "busy".
// So statuses are preset to a value that the kernel never writes, a status is
// believed only where it names the destination, and all else is looked at
// again.

#ifndef PAGEFERRY_SERVER_KERNEL_PAGE_MOVER_H_
#define PAGEFERRY_SERVER_KERNEL_PAGE_MOVER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/batch_mover.h"
#include "server/core/telemetry.h"
#include "server/kernel/call_size.h"
#include "server/kernel/node_memory.h"
#include "server/kernel/page_look.h"
#include "server/kernel/screen.h"

namespace pageferry::kernel {

// A page of the batch that is to move.
struct MovingPage {
  core::PageAttempt* attempt = nullptr;
  PageView view;
};

// Pages that the kernel moves as one, or, where huge pages cannot be seen, may
// move as one.
struct MovingFolio {
  // The address that is handed to the kernel.
  uint64_t address = 0;
  // Its pages in the batch: [first, first + count) of the moving pages.
  size_t first = 0;
  size_t count = 0;
  // Base pages that moving it counts for.
  uint32_t pages = 1;
  // All of the folio in the address space. Meaningful for `pages` > 1.
  core::PageRun range;
  // Whether it is known to be one folio; otherwise its pages may turn out to be
  // base pages.
  bool certain = true;
  // Its first frame before it moves, where frames are visible. A huge page that
  // lies in the address space in several parts (mremap(2)) is a MovingFolio for
  // each part, of one head.
  core::PageFrameNumber head = {};
};

// Used by one thread at a time, for one process and one migration.
class PageMover {
 public:
  // All pointers must outlive this. `pages` tells which pages were requested.
  PageMover(SystemCalls* system, std::string proc_root,
            const ProcessIdentity* process, PageLooker* looker,
            const core::PageList* pages, const core::MoveParameters& parameters,
            core::Telemetry* telemetry);

  // Tries to move `folios` to `destination` and answers for each of their
  // pages, but for those that a stop left, or that lie behind one that got no
  // memory. `alone`: one folio a call. Returns as BatchMover::TryBatch does.
  core::StopReason Move(core::NodeId destination, uint32_t placement,
                        absl::Span<MovingPage> pages,
                        std::vector<MovingFolio> folios, bool alone,
                        const core::MigrationControl& control);

  // A folio that an earlier batch moved with requested pages of later ones.
  struct MovedFolio {
    core::PageRun range;
    core::NodeId source;
    uint32_t placement = 0;
    // Which pages of `range` were its own: others may lie where it has lost
    // some. Empty where that cannot be seen.
    std::vector<bool> own;
  };

  // The moved folio that has `address`, or null.
  const MovedFolio* FindMoved(core::VirtualAddress address) const;

  const core::MoverStatistics& statistics() const { return statistics_; }

 private:
  // One call and what became of it.
  struct Call {
    core::NodeId destination;
    uint32_t placement = 0;
    std::vector<MovingFolio> folios;
    std::vector<int> statuses;
    SystemResult result;
    // The folios behind this index were not tried, if the call failed in part.
    size_t tried = 0;
  };

  // How many folios of the queue the next call takes; 0 when the first does
  // not fit into the memory that the mode may use.
  size_t FoliosThatFit(core::NodeId destination, bool alone);
  void HoldForMemory(absl::Span<MovingPage> pages);
  // Before a call: what of the folios' ranges belongs to them, where pages of
  // later batches need to know.
  void NoteOwnPages(absl::Span<MovingPage> pages, const Call& call);
  void Submit(core::Clock& clock, Call* call);
  core::StopReason Verify(absl::Span<MovingPage> pages, Call* call);
  core::StopReason LookAgain(absl::Span<MovingPage> pages, const Call& call);
  // Looks at the pages that looked_at_ and addresses_ name.
  core::StopReason Look(absl::Span<MovingPage> pages);
  // After a call whose work cannot be seen any more.
  static void ForgetPlaces(absl::Span<MovingPage> pages, const Call& call);
  // Where folios cannot be seen, pages may have moved with a neighbour after
  // they were answered for, or before their turn came.
  core::StopReason CorrectAnswers(core::NodeId destination,
                                  absl::Span<MovingPage> pages);
  // Whether the status of a folio settles it without another look.
  static bool Believable(const Call& call, size_t index);
  // Answers for the pages of a call, and puts back into the queue what it did
  // not try. Returns false when a folio got no memory.
  bool JudgeAll(absl::Span<MovingPage> pages, const Call& call);
  bool Judge(absl::Span<MovingPage> pages, const Call& call, size_t index,
             std::vector<MovingFolio>* again);
  bool LacksRoomFor(const Call& call, const MovingFolio& folio);
  void AnswerUnmoved(const SystemResult& result, int status, bool no_room,
                     MovingPage* page) const;
  core::Reason ReasonOfUnmoved(const PageView& view, int status) const;
  void NoteMovedFolio(absl::Span<MovingPage> pages, const Call& call,
                      const MovingFolio& folio);
  // Pages that came along unasked with a folio of several pages; for a folio
  // in several parts, once.
  uint64_t TakeCompanions(const MovingFolio& folio);
  uint64_t PagesOn(core::PageRun range, core::NodeId node);

  SystemCalls* const system_;
  const std::string proc_root_;
  const ProcessIdentity* const process_;
  PageLooker* const looker_;
  const core::PageList* const pages_;
  const core::MoveParameters parameters_;
  core::Telemetry* const telemetry_;
  core::MoverStatistics statistics_;
  CallSize call_size_;
  // Of the running Move(): by the head of a folio of several pages, the pages
  // of all its parts that were requested.
  std::map<core::PageFrameNumber, uint64_t> requested_of_head_;
  // Folios of the running Move() that are still to be tried.
  std::deque<MovingFolio> queue_;
  // After ENOMEM: folios a call, until calls succeed again.
  size_t folio_limit_ = 0;
  // An estimate of the destination's room, for modes that may not reclaim.
  core::NodeId room_node_;
  uint64_t room_pages_ = 0;
  // For folios that may be huge, by their range's start: pages of it that were
  // on the destination before the call.
  std::map<core::VirtualAddress, uint64_t> placed_before_;
  // Likewise, the pages of it that were the folio's own.
  std::map<core::VirtualAddress, std::vector<bool>> own_before_;
  std::map<core::VirtualAddress, MovedFolio> moved_folios_;
  // Reused from call to call.
  std::vector<uint64_t> addresses_;
  std::vector<int> nodes_;
  std::vector<size_t> looked_at_;
  std::vector<PageView> views_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_PAGE_MOVER_H_
