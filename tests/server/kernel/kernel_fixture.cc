#include "tests/server/kernel/kernel_fixture.h"

#include <utility>

#include "server/core/reasons.h"
#include "server/kernel/kernel_backend.h"
#include "server/kernel/self_check.h"

namespace pageferry::kernel {

using core::NodeId;
using core::Outcome;
using core::PageList;
using core::Reason;
using core::SettledRun;
using core::VirtualAddress;

KernelWorld::KernelWorld()
    : kernel_(&clock_), control_(&clock_, absl::InfiniteDuration()) {
  kernel_.memory.AddNode(0, 1'000'000);
  kernel_.memory.AddNode(1, 1'000'000);
  process_ = kernel_.AddProcess(kPid);
  OpenBackend();
  parameters_.mode = core::Mode::kSync;
}

void KernelWorld::OpenBackend() {
  KernelBackend::Options options;
  options.telemetry = &telemetry_;
  options.system = &kernel_;
  backend_ = *KernelBackend::Create(options);
  kernel_.moves.clear();  // those of the self-check
}

void KernelWorld::FillPages(uint64_t first, uint64_t count, int node) {
  process_->Map(first, count);
  for (uint64_t i = 0; i < count; ++i) {
    process_->Put(first + i, kernel_.memory.Place(node));
  }
}

void KernelWorld::FillHugePages(uint64_t first, uint64_t count, int node) {
  process_->Map(first, count * core::kHugePagePages);
  for (uint64_t i = 0; i < count; ++i) {
    process_->Put(first + i * core::kHugePagePages,
                  kernel_.memory.Place(node, core::kHugePagePages));
  }
}

void KernelWorld::HideFrames() {
  kernel_.capabilities &= ~(uint64_t{1} << kCapSysAdmin);
}

std::unique_ptr<core::TargetProcess> KernelWorld::OpenTarget() {
  auto target = backend_->OpenProcess(kPid, absl::nullopt);
  EXPECT_TRUE(target.ok()) << target.status();
  return *std::move(target);
}

PageList KernelWorld::To(NodeId node, uint64_t first, uint64_t count) {
  return core::ListOf({{VirtualAddress::OfPage(first), count}}, {node});
}

void KernelWorld::Migrate(const PageList& pages) {
  const std::unique_ptr<core::TargetProcess> target = OpenTarget();
  const auto mover = target->NewMover(pages, parameters_);
  ASSERT_TRUE(mover.ok()) << mover.status();
  options_.validate_only = parameters_.validate_only;
  observer_.books = core::BookKeeper();
  summary_ =
      core::MigratePages(pages, options_, **mover, control_, {}, observer_);
  ExpectTruth(pages);
}

void KernelWorld::ExpectTruth(const PageList& pages) {
  EXPECT_EQ(summary_.requested_pages, pages.page_count());
  EXPECT_EQ(summary_.requested_pages,
            summary_.moved_pages + summary_.already_placed_pages +
                summary_.failed_pages + summary_.not_attempted_pages +
                summary_.would_move_pages);
  EXPECT_EQ(observer_.books.by_page.size(), pages.page_count());
  for (const core::PlacedRun& placed : pages.runs()) {
    for (uint64_t i = 0; i < placed.run.pages; ++i) {
      const uint64_t page = placed.run.start.page_number() + i;
      ASSERT_EQ(observer_.books.by_page.count(page), 1u) << page;
      const SettledRun& result = ResultOf(page);
      const bool placed_now = result.outcome == Outcome::kMoved ||
                              result.outcome == Outcome::kAlreadyPlaced;
      if (placed_now) {
        EXPECT_TRUE(result.node.known()) << page;
      }
      if (summary_.stop_reason == core::StopReason::kProcessExited) continue;
      if (!result.node.known()) continue;
      EXPECT_EQ(result.node.value(), process_->NodeOf(page))
          << page << " " << core::OutcomeName(result.outcome) << " "
          << core::ReasonName(result.reason);
    }
  }
}

const SettledRun& KernelWorld::ResultOf(uint64_t page) {
  return observer_.books.by_page.at(page);
}

uint64_t KernelWorld::Failures(Reason reason) const {
  return summary_.failures[static_cast<size_t>(reason)];
}

uint64_t KernelWorld::NotAttempted(Reason reason) const {
  return summary_.not_attempted[static_cast<size_t>(reason)];
}

core::Refusal KernelWorld::RefusalToMove() {
  const PageList pages = ToNode1(kBase, 1);
  const auto mover = OpenTarget()->NewMover(pages, parameters_);
  EXPECT_FALSE(mover.ok());
  return mover.ok() ? core::Refusal() : core::RefusalOf(mover.status());
}

}  // namespace pageferry::kernel
