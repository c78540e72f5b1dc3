// The whole-process form: which node's pages go where, in which order.

#include "server/model/do_migrate_pages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/model/look.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

constexpr int kNodes = 8;
constexpr uint64_t kPagesPerNode = 10;

// The page number at which the pages that begin on a node are.
uint64_t FirstPageOf(int node) { return (node + 1) * 0x100; }

// Eight nodes, and a process with ten pages on each.
std::string Scenario(absl::string_view more, uint64_t capacity) {
  std::string nodes;
  std::string regions;
  for (int node = 0; node < kNodes; ++node) {
    absl::StrAppend(&nodes, "nodes { id: ", node, " capacity_pages: ", capacity,
                    " }\n");
    absl::StrAppend(
        &regions,
        "regions { start_address: ", FirstPageOf(node) * core::kPageBytes,
        " pages: ", kPagesPerNode, " placements { node: ", node, " } }\n");
  }
  return absl::StrCat(nodes, "processes { pid: 10 ", regions, " }\n", more);
}

// Remembers the steps, as source and destination.
class RecordingTarget final : public core::TargetProcess {
 public:
  RecordingTarget(core::TargetProcess* process, AddressSpace* space)
      : process_(*process), space_(*space) {}

  core::ProcessId id() const override { return process_.id(); }
  absl::Status Locate(absl::Span<const core::PageRun> runs,
                      const core::LocationSink& sink) override {
    return process_.Locate(runs, sink);
  }
  absl::Status LocateResident(core::VirtualAddress start,
                              core::HiddenPages hidden,
                              const core::LocationSink& sink) override {
    return process_.LocateResident(start, hidden, sink);
  }
  absl::StatusOr<std::unique_ptr<core::BatchMover>> NewMover(
      const core::PageList& pages,
      const core::MoveParameters& parameters) override {
    const uint64_t first = pages.runs().front().run.start.page_number();
    steps_.emplace_back(LocatePage(space_, first).node.value(),
                        pages.placements().front().nodes.front().value());
    mode_ = parameters.mode;
    return process_.NewMover(pages, parameters);
  }

  const std::vector<std::pair<int, int>>& steps() const { return steps_; }
  core::Mode mode() const { return mode_; }

 private:
  core::TargetProcess& process_;
  AddressSpace& space_;
  std::vector<std::pair<int, int>> steps_;
  core::Mode mode_ = core::Mode::kAsync;
};

class DoMigratePagesTest : public testing::Test {
 protected:
  void Make(absl::string_view more = "", uint64_t capacity = 256) {
    model_ = std::make_unique<TestModel>(Scenario(more, capacity));
    process_ = *model_->backend->OpenProcess(10, absl::nullopt);
    target_ =
        std::make_unique<RecordingTarget>(process_.get(), &model_->space(10));
  }
  void TearDown() override {
    model_->backend->world().faults().EndAllHolds();
    EXPECT_THAT(BrokenInvariantsAtRest(model_->backend->world()), IsEmpty());
  }

  static std::set<NodeId> Nodes(std::initializer_list<int> numbers) {
    std::set<NodeId> nodes;
    for (int number : numbers) nodes.insert(NodeId(number));
    return nodes;
  }
  uint64_t Migrate(std::initializer_list<int> from,
                   std::initializer_list<int> to) {
    const core::MigrationControl control(model_->clock,
                                         absl::InfiniteDuration());
    return *do_migrate_pages(*target_, Nodes(from), Nodes(to), control);
  }
  // Where the pages that began on each node are now.
  std::vector<int> Places() {
    std::vector<int> places;
    for (int node = 0; node < kNodes; ++node) {
      places.push_back(NodeOf(*model_, FirstPageOf(node)).value());
    }
    return places;
  }
  uint64_t Moved() { return model_->machine().vmstat.pgmigrate_success.load(); }

  std::unique_ptr<TestModel> model_;
  std::unique_ptr<core::TargetProcess> process_;
  std::unique_ptr<RecordingTarget> target_;
};

// The kernel's own two examples (mm/mempolicy.c).
TEST_F(DoMigratePagesTest, SetsOfOneSizeMoveEverythingByRank) {
  Make();
  EXPECT_EQ(Migrate({2, 3, 4}, {3, 4, 5}), 0u);
  EXPECT_THAT(Places(), ElementsAre(0, 1, 3, 4, 5, 5, 6, 7));
  EXPECT_EQ(Moved(), 3 * kPagesPerNode);
}

TEST_F(DoMigratePagesTest, SetsOfTwoSizesLeaveWhatIsOnADestination) {
  Make();
  EXPECT_EQ(Migrate({0, 1, 2, 3, 4, 5, 6, 7}, {3, 4, 5}), 0u);
  EXPECT_EQ(Moved(), 5 * kPagesPerNode);  // of 0, 1, 2, 6 and 7
  EXPECT_THAT(Places(), ElementsAre(3, 4, 5, 3, 4, 5, 3, 4));
}

TEST_F(DoMigratePagesTest, DestinationsAreEmptiedBeforeTheyAreFilled) {
  Make();
  Migrate({0, 1, 2}, {1, 2, 3});
  EXPECT_THAT(target_->steps(),
              ElementsAre(Pair(2, 3), Pair(1, 2), Pair(0, 1)));
  // So nothing moves twice.
  EXPECT_EQ(Moved(), 3 * kPagesPerNode);
  EXPECT_THAT(Places(), ElementsAre(1, 2, 3, 3, 4, 5, 6, 7));
}

TEST_F(DoMigratePagesTest, MovesDownwardsInTheOrderOfTheNodes) {
  Make();
  Migrate({1, 2, 3}, {0, 1, 2});
  EXPECT_THAT(target_->steps(),
              ElementsAre(Pair(1, 0), Pair(2, 1), Pair(3, 2)));
  EXPECT_EQ(Moved(), 3 * kPagesPerNode);
}

TEST_F(DoMigratePagesTest, MoreDestinationsThanSourcesLeaveSomeUnused) {
  Make();
  EXPECT_EQ(Migrate({6, 7}, {1, 2, 3}), 0u);
  EXPECT_THAT(target_->steps(), ElementsAre(Pair(6, 1), Pair(7, 2)));
}

TEST_F(DoMigratePagesTest, NodesThatAreTheirOwnDestinationStay) {
  Make();
  EXPECT_EQ(Migrate({0, 1}, {0, 1}), 0u);
  EXPECT_THAT(target_->steps(), IsEmpty());
  EXPECT_EQ(Migrate({0, 1}, {0, 5}), 0u);
  EXPECT_THAT(target_->steps(), ElementsAre(Pair(1, 5)));
}

TEST_F(DoMigratePagesTest, WaitsAsSyncDoes) {
  Make(
      "page_faults { kind: PAGE_FAULT_KIND_WRITEBACK pid: 10"
      " address: 0x100000 until_ms: 50 }");
  EXPECT_EQ(Migrate({0}, {1}), 0u);
  EXPECT_EQ(target_->mode(), core::Mode::kSync);
  EXPECT_GE(model_->clock->Monotonic(), absl::Milliseconds(50));
}

TEST_F(DoMigratePagesTest, CountsWhatCouldNotMoveOverAllSteps) {
  Make(
      "page_faults { kind: PAGE_FAULT_KIND_PIN pid: 10 address: 0x100000 }"
      "page_faults { kind: PAGE_FAULT_KIND_PIN pid: 10 address: 0x201000 }");
  EXPECT_EQ(Migrate({0, 1}, {5, 6}), 2u);
  EXPECT_EQ(Moved(), 2 * kPagesPerNode - 2);
}

TEST_F(DoMigratePagesTest, SharedPagesStayAndCount) {
  Make("processes { pid: 11 fork_of: 10 }");
  EXPECT_EQ(Migrate({0}, {1}), kPagesPerNode);
  EXPECT_EQ(Moved(), 0u);
}

TEST_F(DoMigratePagesTest, AFullDestinationEndsThatStepAndNotTheNext) {
  Make("", kPagesPerNode + 4);
  EXPECT_EQ(Migrate({0, 1}, {2, 3}), 2 * (kPagesPerNode - 4));
  EXPECT_EQ(NodeOf(*model_, FirstPageOf(0) + 3), NodeId(2));
  EXPECT_EQ(NodeOf(*model_, FirstPageOf(0) + 4), NodeId(0));
  EXPECT_EQ(NodeOf(*model_, FirstPageOf(1) + 3), NodeId(3));
}

TEST_F(DoMigratePagesTest, ANodeWithoutPagesOfTheProcessIsNoStep) {
  Make();
  Migrate({0}, {1});
  Migrate({0}, {2});
  EXPECT_THAT(target_->steps(), ElementsAre(Pair(0, 1)));
}

TEST_F(DoMigratePagesTest, SaysThatTheProcessIsGone) {
  Make();
  model_->backend->world().processes().at(10)->Exit();
  const core::MigrationControl control(model_->clock, absl::InfiniteDuration());
  EXPECT_FALSE(migrate_to_node(*target_, NodeId(0), NodeId(1), control).ok());
}

}  // namespace
}  // namespace pageferry::model
