#include "server/core/migrate_pages.h"

#include <string>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/core/scripted_mover.h"

namespace pageferry::core {
namespace {

using ::testing::ElementsAre;

const NodeId kSlow(1);
const NodeId kSpare(2);

PageRun Pages(uint64_t first, uint64_t count) {
  return {VirtualAddress::OfPage(first), count};
}

uint64_t& At(ReasonPages& pages, Reason reason) {
  return pages[static_cast<size_t>(reason)];
}

class MigratePagesTest : public ::testing::Test {
 protected:
  MigrationSummary Migrate(const PageList& list) {
    MigrationSummary summary =
        MigratePages(list, options_, mover_, control_, limiters_, books_);
    EXPECT_EQ(books_.by_page.size(), list.page_count());
    EXPECT_EQ(summary.requested_pages, list.page_count());
    EXPECT_EQ(summary.requested_pages,
              summary.moved_pages + summary.already_placed_pages +
                  summary.failed_pages + summary.not_attempted_pages +
                  summary.would_move_pages);
    return summary;
  }

  FakeClock clock_;
  MigrationControl control_{&clock_, absl::InfiniteDuration()};
  MigrateOptions options_;
  ScriptedMover mover_;
  std::vector<RateLimiter*> limiters_;
  BookKeeper books_;
};

TEST_F(MigratePagesTest, MovesEveryPageThatCanMove) {
  const MigrationSummary summary = Migrate(ListOf({Pages(10, 9)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 9u);
  EXPECT_EQ(summary.passes, 1u);
  EXPECT_EQ(summary.stop_reason, StopReason::kCompleted);
  EXPECT_EQ(summary.moved_bytes(), 9 * kPageBytes);
  EXPECT_EQ(summary.moved_between.at({NodeId(0), kSlow}), 9u);
  EXPECT_THAT(mover_.log,
              ElementsAre("plain/1: 10+4", "plain/1: 14+4", "plain/1: 18+1"));
  const SettledRun& run = books_.by_page.at(12);
  EXPECT_EQ(run.outcome, Outcome::kMoved);
  EXPECT_EQ(run.source, NodeId(0));
  EXPECT_EQ(run.node, kSlow);
  EXPECT_EQ(run.passes, 1u);
}

TEST_F(MigratePagesTest, RetriesOnlyPagesThatSaidAgain) {
  mover_.Script(2, {{Answer::kAgain, Reason::kLocked},
                    {Answer::kAgain, Reason::kLocked},
                    {Answer::kMoved}});
  MigrationSummary summary = Migrate(ListOf({Pages(0, 4)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 4u);
  EXPECT_EQ(summary.passes, 3u);
  EXPECT_EQ(summary.retried_pages, 2u);
  EXPECT_EQ(At(summary.retries, Reason::kLocked), 2u);
  EXPECT_EQ(At(summary.recovered, Reason::kLocked), 1u);
  EXPECT_EQ(books_.by_page.at(2).passes, 3u);
  EXPECT_THAT(mover_.log,
              ElementsAre("plain/1: 0+4", "plain/1: 2+1", "plain/1: 2+1"));
}

TEST_F(MigratePagesTest, FailsWithTheLastReasonAfterTheLastPass) {
  mover_.Script(0, {{Answer::kAgain, Reason::kLocked},
                    {Answer::kAgain, Reason::kPinned}});
  MigrationSummary summary = Migrate(ListOf({Pages(0, 1)}, {kSlow}));
  EXPECT_EQ(summary.failed_pages, 1u);
  EXPECT_EQ(At(summary.failures, Reason::kPinned), 1u);
  EXPECT_EQ(summary.passes, kDefaultPasses);
  EXPECT_EQ(summary.retried_pages, kDefaultPasses);
  EXPECT_EQ(books_.by_page.at(0).passes, kDefaultPasses);
  EXPECT_EQ(summary.stop_reason, StopReason::kCompleted);
}

TEST_F(MigratePagesTest, NeverRetriesPermanentFailures) {
  mover_.Script(0, {{Answer::kFailed, Reason::kShared}});
  mover_.Script(1, {{Answer::kFreed}});
  MigrationSummary summary = Migrate(ListOf({Pages(0, 2)}, {kSlow}));
  EXPECT_EQ(summary.passes, 1u);
  EXPECT_EQ(At(summary.failures, Reason::kShared), 1u);
  EXPECT_EQ(At(summary.failures, Reason::kNotPresent), 1u);
}

TEST_F(MigratePagesTest, ForcesPassesAfterThePassNumberedTwo) {
  mover_.Script(0, {{Answer::kAgain, Reason::kLocked}});
  options_.max_passes = 5;
  Migrate(ListOf({Pages(0, 1)}, {kSlow}));
  std::vector<bool> forced;
  for (const PassFigures& pass : books_.passes) forced.push_back(pass.forced);
  EXPECT_THAT(forced, ElementsAre(false, false, false, true, true));
}

TEST_F(MigratePagesTest, ForcesTheLastPassWhereFewerThanFourAreAllowed) {
  mover_.Script(0, {{Answer::kAgain, Reason::kLocked}});
  for (uint32_t passes : {1u, 2u, 3u, 4u}) {
    options_.max_passes = passes;
    books_ = BookKeeper();
    Migrate(ListOf({Pages(0, 1)}, {kSlow}));
    ASSERT_EQ(books_.passes.size(), passes);
    for (const PassFigures& pass : books_.passes) {
      EXPECT_EQ(pass.forced, pass.pass + 1 == passes)
          << "pass " << pass.pass << " of " << passes;
    }
  }
}

TEST_F(MigratePagesTest, BacksOffBetweenPassesAndDoublesUpToTheLongest) {
  mover_.Script(0, {{Answer::kAgain, Reason::kLocked}});
  options_.max_passes = 5;
  options_.initial_backoff = absl::Milliseconds(10);
  options_.max_backoff = absl::Milliseconds(25);
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 1)}, {kSlow}));
  EXPECT_EQ(summary.elapsed, absl::Milliseconds(10 + 20 + 25 + 25));
}

TEST_F(MigratePagesTest, ReportsEachPassInFigures) {
  mover_.Script(1, {{Answer::kAgain, Reason::kWriteback}, {Answer::kMoved}});
  mover_.Script(2, {{Answer::kFailed, Reason::kShared}});
  Migrate(ListOf({Pages(0, 3)}, {kSlow}));
  ASSERT_EQ(books_.passes.size(), 2u);
  PassFigures first = books_.passes[0];
  EXPECT_EQ(first.moved_pages, 1u);
  EXPECT_EQ(first.retry_pages, 1u);
  EXPECT_EQ(At(first.retry_reasons, Reason::kWriteback), 1u);
  EXPECT_EQ(first.failed_pages, 1u);
  EXPECT_EQ(books_.passes[1].moved_pages, 1u);
}

TEST_F(MigratePagesTest, TakesFallbackNodesInOrderWhenTheDestinationIsFull) {
  mover_.Fill(kSlow, 1);
  const MigrationSummary summary =
      Migrate(ListOf({Pages(0, 6)}, {kSlow, kSpare}));
  EXPECT_EQ(summary.moved_pages, 6u);
  EXPECT_EQ(summary.moved_between.at({NodeId(0), kSpare}), 6u);
  EXPECT_EQ(summary.stop_reason, StopReason::kCompleted);
  EXPECT_EQ(books_.by_page.at(5).node, kSpare);
}

TEST_F(MigratePagesTest, FullNodesFailThePageThatWasTriedAndAbortTheRest) {
  mover_.Fill(kSlow, 1);
  mover_.Fill(kSpare, 1);
  MigrationSummary summary = Migrate(ListOf({Pages(0, 6)}, {kSlow, kSpare}));
  EXPECT_EQ(At(summary.failures, Reason::kNoMemory), 1u);
  EXPECT_EQ(At(summary.not_attempted, Reason::kAborted), 5u);
  EXPECT_EQ(summary.stop_reason, StopReason::kDestinationFull);
}

TEST_F(MigratePagesTest, SmallerFoliosGoOnWhenLargeOnesGetNoMemory) {
  mover_.Fill(kSlow, 512);
  mover_.SetFolio(0, 512);
  mover_.SetFolio(2, 512);
  MigrationSummary summary = Migrate(ListOf({Pages(0, 4)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 2u);
  EXPECT_EQ(books_.by_page.at(0).reason, Reason::kNoMemory);
  EXPECT_EQ(books_.by_page.at(0).outcome, Outcome::kFailed);
  EXPECT_EQ(books_.by_page.at(2).reason, Reason::kAborted);
  EXPECT_EQ(books_.by_page.at(2).outcome, Outcome::kNotAttempted);
}

TEST_F(MigratePagesTest, PagesBoundElsewhereGoOnWhenADestinationIsFull) {
  mover_.Fill(kSlow, 1);
  PageList::Builder builder;
  builder.StartEntry({{kSlow}});
  builder.AddRange(VirtualAddress::OfPage(0), 2);
  builder.StartEntry({{kSpare}});
  builder.AddRange(VirtualAddress::OfPage(2), 2);
  absl::optional<PlacementConflict> conflict;
  const MigrationSummary summary = Migrate(std::move(builder).Build(&conflict));
  EXPECT_EQ(summary.moved_pages, 2u);
  EXPECT_EQ(summary.failed_pages, 1u);
  EXPECT_EQ(summary.not_attempted_pages, 1u);
}

TEST_F(MigratePagesTest, AbortListPolicyStopsEverything) {
  mover_.Fill(kSlow, 1);
  options_.no_memory = NoMemoryPolicy::kAbortList;
  PageList::Builder builder;
  builder.StartEntry({{kSlow}});
  builder.AddRange(VirtualAddress::OfPage(0), 2);
  builder.StartEntry({{kSpare}});
  builder.AddRange(VirtualAddress::OfPage(2), 2);
  absl::optional<PlacementConflict> conflict;
  MigrationSummary summary = Migrate(std::move(builder).Build(&conflict));
  EXPECT_EQ(summary.moved_pages, 0u);
  EXPECT_EQ(summary.failed_pages, 1u);
  EXPECT_EQ(At(summary.not_attempted, Reason::kAborted), 3u);
}

TEST_F(MigratePagesTest, WhatTheModeMayNotReclaimIsRetriedAndThenNoMemory) {
  mover_.Script(0, {{Answer::kAgain, Reason::kNoMemory}});
  MigrationSummary summary = Migrate(ListOf({Pages(0, 1)}, {kSlow}));
  EXPECT_EQ(At(summary.failures, Reason::kNoMemory), 1u);
  EXPECT_EQ(summary.passes, kDefaultPasses);
  EXPECT_EQ(summary.stop_reason, StopReason::kDestinationFull);
}

TEST_F(MigratePagesTest, CancelLeavesTheRestNotAttempted) {
  mover_.before_batch = [this](int batch) {
    if (batch == 1) control_.RequestStop(StopReason::kCancelled);
  };
  MigrationSummary summary = Migrate(ListOf({Pages(0, 12)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 4u);
  EXPECT_EQ(At(summary.not_attempted, Reason::kCancelled), 8u);
  EXPECT_EQ(summary.stop_reason, StopReason::kCancelled);
  EXPECT_EQ(mover_.batches, 2);
}

TEST_F(MigratePagesTest, RetriedPagesAreNotAttemptedToTheEndAfterAStop) {
  mover_.Script(1, {{Answer::kAgain, Reason::kLocked}});
  mover_.before_batch = [this](int batch) {
    if (batch == 2) control_.RequestStop(StopReason::kDraining);
  };
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 2)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 1u);
  EXPECT_EQ(books_.by_page.at(1).outcome, Outcome::kNotAttempted);
  EXPECT_EQ(books_.by_page.at(1).reason, Reason::kDraining);
  EXPECT_EQ(books_.by_page.at(1).passes, 2u);
}

TEST_F(MigratePagesTest, AStopAfterTheLastPageIsNoStop) {
  mover_.before_batch = [this](int) { mover_.Script(0, {{Answer::kMoved}}); };
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 4)}, {kSlow}));
  control_.RequestStop(StopReason::kCancelled);
  EXPECT_EQ(summary.stop_reason, StopReason::kCompleted);
}

TEST_F(MigratePagesTest, TimeBudgetEndsWorkBetweenBatches) {
  MigrationControl control(&clock_, absl::Seconds(1));
  mover_.before_batch = [this](int) {
    clock_.Advance(absl::Milliseconds(600));
  };
  MigrationSummary summary = MigratePages(
      ListOf({Pages(0, 40)}, {kSlow}), options_, mover_, control, {}, books_);
  EXPECT_EQ(summary.stop_reason, StopReason::kTimeBudget);
  EXPECT_EQ(summary.moved_pages, 4u);
  EXPECT_EQ(At(summary.not_attempted, Reason::kTimeBudget), 36u);
}

TEST_F(MigratePagesTest, AProcessThatExitsEndsTheMigration) {
  mover_.fatal_batches[1] = StopReason::kProcessExited;
  MigrationSummary summary = Migrate(ListOf({Pages(0, 12)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 4u);
  EXPECT_EQ(At(summary.not_attempted, Reason::kProcessExited), 8u);
  EXPECT_EQ(summary.stop_reason, StopReason::kProcessExited);
}

TEST_F(MigratePagesTest, RateLimitHoldsTheAverage) {
  RateLimiter limiter(10 * kPageBytes);  // ten pages a second
  limiters_ = {&limiter};
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 40)}, {kSlow}));
  EXPECT_EQ(summary.moved_pages, 40u);
  EXPECT_GE(summary.elapsed, absl::Milliseconds(3800));
  EXPECT_LE(summary.elapsed, absl::Milliseconds(4000));
}

TEST_F(MigratePagesTest, ADryRunMakesOnePassAndMovesNothing) {
  for (uint64_t page = 0; page < 6; ++page) {
    mover_.Script(page, {{Answer::kWouldMove}});
  }
  options_.validate_only = true;
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 6)}, {kSlow}));
  EXPECT_EQ(summary.would_move_pages, 6u);
  EXPECT_EQ(summary.moved_pages, 0u);
  EXPECT_EQ(summary.passes, 1u);
}

TEST_F(MigratePagesTest, NeighboursWithEqualResultsAreOneRun) {
  mover_.batch_pages = 100;
  mover_.Script(50, {{Answer::kFailed, Reason::kShared}});
  Migrate(ListOf({Pages(0, 100)}, {kSlow}));
  EXPECT_EQ(books_.by_page.at(0).run, Pages(0, 50));
  EXPECT_EQ(books_.by_page.at(50).run, Pages(50, 1));
  EXPECT_EQ(books_.by_page.at(99).run, Pages(51, 49));
}

TEST_F(MigratePagesTest, AMoverThatDecidesNothingDoesNotHangTheLoop) {
  mover_.Script(0, {{Answer::kUntried}});
  MigrationSummary summary = Migrate(ListOf({Pages(0, 1)}, {kSlow}));
  EXPECT_EQ(At(summary.failures, Reason::kBusy), 1u);
}

TEST_F(MigratePagesTest, ProgressNeverGoesBackAndEndsAtTheSummary) {
  const MigrationSummary summary = Migrate(ListOf({Pages(0, 20)}, {kSlow}));
  uint64_t last = 0;
  for (const MigrationSummary& so_far : books_.progress) {
    EXPECT_GE(so_far.moved_pages, last);
    last = so_far.moved_pages;
  }
  EXPECT_EQ(last, summary.moved_pages);
}

}  // namespace
}  // namespace pageferry::core
