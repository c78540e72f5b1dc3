// Whole processes: which pages are found, and what becomes of them.

#include <map>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/migrate_process.h"
#include "server/core/process_walk.h"
#include "server/core/refusal.h"

namespace pageferry::core {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::vector<NodeId> Nodes(std::vector<int32_t> ids) {
  std::vector<NodeId> nodes;
  for (int32_t id : ids) nodes.push_back(NodeId(id));
  return nodes;
}

std::vector<std::vector<int32_t>> PairsOf(std::vector<int32_t> sources,
                                          std::vector<int32_t> destinations,
                                          std::vector<int32_t> fallback = {}) {
  std::vector<std::vector<int32_t>> rows;
  for (const NodePair& pair :
       PairNodes(Nodes(sources), Nodes(destinations), Nodes(fallback))) {
    rows.push_back({pair.source.value()});
    for (NodeId node : pair.placement.nodes) {
      rows.back().push_back(node.value());
    }
  }
  return rows;
}

using Row = std::vector<int32_t>;

TEST(PairNodesTest, SourcesGoToDestinationsInTurnByRank) {
  EXPECT_THAT(PairsOf({0}, {1}), ElementsAre(Row{0, 1}));
  EXPECT_THAT(PairsOf({2, 0, 1}, {5, 4}),
              ElementsAre(Row{0, 4}, Row{1, 5}, Row{2, 4}));
  EXPECT_THAT(PairsOf({0, 0, 1}, {4, 4}), ElementsAre(Row{0, 4}, Row{1, 4}));
}

TEST(PairNodesTest, ASourceThatIsADestinationStaysAndKeepsItsRank) {
  EXPECT_THAT(PairsOf({0, 1, 2}, {1, 3}), ElementsAre(Row{0, 1}, Row{2, 1}));
  EXPECT_THAT(PairsOf({0, 1}, {0, 1}), IsEmpty());
}

TEST(PairNodesTest, FallbackNodesFollowTheDestinationAndAreNotIt) {
  EXPECT_THAT(PairsOf({0, 1}, {2, 3}, {3, 4}),
              ElementsAre(Row{0, 2, 3, 4}, Row{1, 3, 4}));
}

// A process whose pages a test places; those in `stuck` never move.
class MapProcess final : public TargetProcess {
 public:
  class Mover final : public BatchMover {
   public:
    explicit Mover(MapProcess* process) : process_(*process) {}
    uint32_t preferred_batch_pages() const override { return 512; }
    StopReason TryBatch(const Batch& batch, const MigrationControl&) override {
      if (process_.before_batch) process_.before_batch();
      if (process_.ended) return StopReason::kProcessExited;
      ++statistics_.kernel_calls;
      for (PageAttempt& attempt : batch.pages) {
        if (attempt.answer != Answer::kUntried) continue;
        const uint64_t page = attempt.address.page_number();
        attempt.seen = true;
        attempt.source = attempt.node = NodeId(process_.pages.at(page));
        if (process_.stuck.contains(page)) {
          attempt.answer = Answer::kAgain;
          attempt.reason = Reason::kPinned;
          continue;
        }
        if (process_.full.contains(batch.destination.value())) {
          attempt.answer = Answer::kNoMemory;
          continue;
        }
        process_.pages[page] = batch.destination.value();
        attempt.node = batch.destination;
        attempt.answer = Answer::kMoved;
      }
      return StopReason::kNone;
    }
    const MoverStatistics& statistics() const override { return statistics_; }

   private:
    MapProcess& process_;
    MoverStatistics statistics_;
  };

  ProcessId id() const override { return {7, 70}; }
  absl::Status Locate(absl::Span<const PageRun>, const LocationSink&) override {
    return absl::UnimplementedError("nobody asks");
  }
  absl::Status LocateResident(VirtualAddress start, HiddenPages hidden,
                              const LocationSink& sink) override {
    last_hidden = hidden;
    if (ended) return Refuse(RefusalReason::kProcessNotFound, "ended");
    for (const auto& [page, node] : pages) {
      if (page < start.page_number()) continue;
      ++looks;
      LocatedRun run;
      run.run = {VirtualAddress::OfPage(page), 1};
      run.resident = true;
      run.node = NodeId(node);
      if (!sink({&run, 1})) return absl::OkStatus();
    }
    return absl::OkStatus();
  }
  absl::StatusOr<std::unique_ptr<BatchMover>> NewMover(
      const PageList&, const MoveParameters&) override {
    if (!mover_status.ok()) return mover_status;
    return std::make_unique<Mover>(this);
  }

  std::map<uint64_t, int32_t> pages;  // page number to node
  std::set<uint64_t> stuck;
  std::set<int32_t> full;
  bool ended = false;
  absl::Status mover_status;
  std::function<void()> before_batch;
  int looks = 0;
  HiddenPages last_hidden = HiddenPages::kLeave;
};

class Books final : public ProcessObserver {
 public:
  void OnPiece(ProcessId process, const PageList& pages) override {
    EXPECT_EQ(process, (ProcessId{7, 70}));
    pieces.push_back(pages.page_count());
  }
  void OnSettled(absl::Span<const SettledRun> runs) override {
    for (const SettledRun& run : runs) {
      for (uint64_t i = 0; i < run.run.pages; ++i) {
        EXPECT_TRUE(
            by_page.emplace(run.run.start.PlusPages(i).page_number(), run)
                .second);
      }
    }
  }
  void OnPassCompleted(const PassFigures&) override {}
  void OnProgress(const MigrationSummary& so_far) override {
    EXPECT_GE(so_far.moved_pages, progress.moved_pages);
    progress = so_far;
  }

  std::vector<uint64_t> pieces;
  std::map<uint64_t, SettledRun> by_page;
  MigrationSummary progress;
};

class MigrateProcessTest : public ::testing::Test {
 protected:
  MigrateProcessTest() { options_.migrate.max_passes = 2; }

  void Fill(uint64_t first, uint64_t count, int32_t node) {
    for (uint64_t i = 0; i < count; ++i) process_.pages[first + i] = node;
  }

  StopReason Migrate(std::vector<int32_t> from = {0},
                     std::vector<int32_t> to = {1}) {
    const StopReason stop = MigrateProcess(
        process_, PairNodes(Nodes(std::move(from)), Nodes(std::move(to)), {}),
        options_, control_, {}, books_, &total_);
    EXPECT_EQ(total_.requested_pages, books_.by_page.size());
    EXPECT_EQ(total_.requested_pages,
              total_.moved_pages + total_.already_placed_pages +
                  total_.failed_pages + total_.not_attempted_pages +
                  total_.would_move_pages);
    EXPECT_EQ(books_.progress.requested_pages, total_.requested_pages);
    EXPECT_EQ(books_.progress.moved_pages, total_.moved_pages);
    return stop;
  }

  FakeClock clock_;
  MigrationControl control_{&clock_, absl::InfiniteDuration()};
  MapProcess process_;
  ProcessOptions options_;
  Books books_;
  MigrationSummary total_;
};

TEST_F(MigrateProcessTest, MovesWhatIsOnTheSourcesAndNothingElse) {
  Fill(100, 50, 0);
  Fill(200, 30, 2);
  Fill(300, 20, 3);
  EXPECT_EQ(Migrate({0, 2}, {1, 5}), StopReason::kCompleted);
  EXPECT_EQ(total_.moved_pages, 80u);
  EXPECT_EQ(process_.pages.at(100), 1);
  EXPECT_EQ(process_.pages.at(200), 5);
  EXPECT_EQ(process_.pages.at(300), 3);
  EXPECT_EQ(total_.moved_between.at({NodeId(2), NodeId(5)}), 30u);
  EXPECT_EQ(process_.last_hidden, HiddenPages::kTouch);
}

TEST_F(MigrateProcessTest, APieceEndsAtABlockAndThePiecesAreTheWhole) {
  options_.piece_pages = 1000;
  Fill(300, 5000, 0);
  EXPECT_EQ(Migrate(), StopReason::kCompleted);
  EXPECT_EQ(total_.moved_pages, 5000u);
  EXPECT_THAT(books_.pieces, SizeIs(5));
  // 300 to 1536, the first multiple of 512 that takes in 1,000 pages.
  EXPECT_EQ(books_.pieces[0], 1536u - 300u);
  EXPECT_EQ(books_.pieces[1], 1024u);
  // Each page was looked at once, but for the one that ends each piece.
  EXPECT_EQ(process_.looks, 5000 + 4);
  EXPECT_EQ(total_.passes, 1u);
}

TEST_F(MigrateProcessTest, PagesThatStayBehindAreReportedAndTheRestGoesOn) {
  options_.piece_pages = 512;
  Fill(0, 2048, 0);
  process_.stuck = {5, 1500};
  EXPECT_EQ(Migrate(), StopReason::kCompleted);
  EXPECT_EQ(total_.moved_pages, 2046u);
  EXPECT_EQ(total_.failures[static_cast<size_t>(Reason::kPinned)], 2u);
  EXPECT_EQ(books_.by_page.at(1500).reason, Reason::kPinned);
  EXPECT_EQ(total_.retried_pages, 4u);
  EXPECT_EQ(total_.passes, 2u);
}

TEST_F(MigrateProcessTest, FiguresAreAddedToThoseBefore) {
  Fill(0, 10, 0);
  EXPECT_EQ(Migrate(), StopReason::kCompleted);
  process_.pages.clear();
  Fill(1000, 7, 0);
  EXPECT_EQ(Migrate(), StopReason::kCompleted);
  EXPECT_EQ(total_.moved_pages, 17u);
  EXPECT_EQ(total_.kernel_calls, 2u);
}

TEST_F(MigrateProcessTest, ADryRunTouchesNoHiddenPage) {
  Fill(0, 10, 0);
  options_.move.validate_only = true;
  Migrate();
  EXPECT_EQ(process_.last_hidden, HiddenPages::kLeave);
}

TEST_F(MigrateProcessTest, AStopEndsTheWalkAndPagesFoundAreAccountedFor) {
  options_.piece_pages = 1024;
  Fill(0, 4096, 0);
  int batches = 0;
  process_.before_batch = [&] {
    if (++batches == 4) control_.RequestStop(StopReason::kCancelled);
  };
  EXPECT_EQ(Migrate(), StopReason::kCancelled);
  EXPECT_EQ(total_.moved_pages, 2048u);
  EXPECT_EQ(total_.requested_pages, 2048u);
}

TEST_F(MigrateProcessTest, AStopInAPieceLeavesItsRestNotAttempted) {
  Fill(0, 4096, 0);
  process_.before_batch = [&] {
    control_.RequestStop(StopReason::kTimeBudget);
  };
  EXPECT_EQ(Migrate(), StopReason::kTimeBudget);
  EXPECT_EQ(total_.moved_pages, 512u);
  EXPECT_EQ(total_.not_attempted[static_cast<size_t>(Reason::kTimeBudget)],
            4096u - 512u);
}

TEST_F(MigrateProcessTest, AProcessThatEndsIsTheEnd) {
  options_.piece_pages = 1024;
  Fill(0, 4096, 0);
  int batches = 0;
  process_.before_batch = [&] { process_.ended = ++batches == 3; };
  EXPECT_EQ(Migrate(), StopReason::kProcessExited);
  EXPECT_EQ(total_.moved_pages, 1024u);
  EXPECT_EQ(total_.not_attempted[static_cast<size_t>(Reason::kProcessExited)],
            1024u);
}

TEST_F(MigrateProcessTest, AFullDestinationIsSaidAndEveryPieceIsTried) {
  options_.piece_pages = 512;
  Fill(0, 1024, 0);
  process_.full = {1};
  EXPECT_EQ(Migrate(), StopReason::kDestinationFull);
  EXPECT_EQ(total_.failures[static_cast<size_t>(Reason::kNoMemory)], 1024u);
  EXPECT_THAT(books_.pieces, ElementsAre(512, 512));
}

TEST_F(MigrateProcessTest, ACpusetThatShrinksMeanwhileFailsThePages) {
  Fill(0, 10, 0);
  process_.mover_status = Refuse(RefusalReason::kNodeNotAllowed, "narrow");
  EXPECT_EQ(Migrate(), StopReason::kCompleted);
  EXPECT_EQ(total_.failures[static_cast<size_t>(Reason::kCpuset)], 10u);
}

TEST_F(MigrateProcessTest, ALostRightEndsIt) {
  Fill(0, 10, 0);
  process_.mover_status = Refuse(RefusalReason::kKernelRefuses, "lost");
  EXPECT_EQ(Migrate(), StopReason::kPermissionLost);
  EXPECT_EQ(total_.not_attempted[static_cast<size_t>(Reason::kPermissionLost)],
            10u);
}

TEST_F(MigrateProcessTest, WithoutPairsThereIsNothingToDo) {
  Fill(0, 10, 0);
  EXPECT_EQ(Migrate({0}, {0}), StopReason::kCompleted);
  EXPECT_EQ(total_.requested_pages, 0u);
}

}  // namespace
}  // namespace pageferry::core
