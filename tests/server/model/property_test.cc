// What holds for every scenario and every request. Scenarios are drawn from
// seeds: 10,000, or as many as PAGEFERRY_PROPERTY_SEEDS says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/model/look.h"
#include "server/model/scenario.h"
#include "tests/server/model/coverage.h"
#include "tests/server/model/drawn.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Outcome;
using core::Reason;
using testing::IsEmpty;

constexpr int kAllSeeds = 10000;

// Seeds are dealt out to so many tests, which may run side by side.
constexpr int kShards = 8;

int Seeds() {
  const char* const text = std::getenv("PAGEFERRY_PROPERTY_SEEDS");
  int seeds = 0;
  return text != nullptr && absl::SimpleAtoi(text, &seeds) ? seeds : kAllSeeds;
}

// The pages that two addresses of a request show, which may have two
// destinations: the last one wins.
std::set<uint64_t> DisputedPages(TestModel& model, const Request& request) {
  std::set<uint64_t> disputed;
  if (request.other_runs.empty()) return disputed;
  std::map<const Page*, uint64_t> first_address;
  std::vector<core::PageRun> runs = request.runs;
  runs.insert(runs.end(), request.other_runs.begin(), request.other_runs.end());
  for (const core::PageRun& run : runs) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      const uint64_t number = run.start.page_number() + i;
      LookAt(model.space(request.pid), number, [&](const PageView& view) {
        if (view.page == nullptr) return;
        const auto [first, is_first] = first_address.emplace(view.page, number);
        if (!is_first) disputed.insert({first->second, number});
      });
    }
  }
  return disputed;
}

// The rules of the contract that hold for any migration.
void CheckResults(TestModel& model, const Request& request,
                  const Observed& observed, const std::set<uint64_t>& disputed,
                  bool may_vanish) {
  const core::MigrationSummary& summary = observed.summary;
  EXPECT_EQ(observed.repeated_pages, 0u);
  EXPECT_EQ(observed.pages.size(), summary.requested_pages);
  EXPECT_EQ(summary.requested_pages,
            summary.moved_pages + summary.already_placed_pages +
                summary.failed_pages + summary.not_attempted_pages +
                summary.would_move_pages);
  for (const auto& [number, page] : observed.pages) {
    const bool needs_reason = page.outcome == Outcome::kFailed ||
                              page.outcome == Outcome::kNotAttempted;
    EXPECT_EQ(page.reason != Reason::kNone, needs_reason) << "page " << number;
    // What the schedule has taken away since.
    const core::NodeId now = NodeOf(model, number, request.pid);
    if (may_vanish && !now.known()) continue;
    if (disputed.count(number) > 0) continue;
    if (page.outcome == Outcome::kMoved) {
      EXPECT_EQ(now, page.node) << "page " << number;
      EXPECT_NE(page.source, page.node) << "page " << number;
      EXPECT_FALSE(request.parameters.validate_only);
    }
    if (page.outcome == Outcome::kAlreadyPlaced) {
      EXPECT_EQ(now, page.node) << "page " << number;
    }
  }
}

// Whether the process is there, and may be moved as the request says.
bool CanBeMoved(TestModel& model, const Request& request) {
  auto target = model.backend->OpenProcess(request.pid, absl::nullopt);
  if (!target.ok()) return false;  // exited
  core::PageList::Builder builder;
  builder.StartEntry(
      {{core::NodeId(request.nodes[0]), core::NodeId(request.nodes.back()),
        core::NodeId(request.other_node)}});
  builder.AddRange(request.runs[0].start, 1);
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  return (*target)->NewMover(pages, request.parameters).ok();
}

// Makes the scenario of a seed and runs requests on it. Returns all events.
std::vector<std::string> RunSeed(int seed, Coverage& coverage) {
  Drawn drawn(seed);
  TestModel model(drawn.text());
  World& world = model.backend->world();
  coverage.CountScenario((*Scenario::Parse(drawn.text()))->proto());
  std::vector<std::string> events;
  for (int i = 0; i < 3; ++i) {
    DrawnRequest next = drawn.DrawRequest();
    Request& request = next.request;
    if (!CanBeMoved(model, request)) break;
    core::MigrationControl control(model.clock,
                                   model.clock->Monotonic() + next.time_budget);
    uint32_t passes = 0;
    request.after_pass = [&] {
      world.faults().ForEachHold(
          [&](const PageHold& hold) { coverage.CountHold(hold); });
      if (!drawn.breaks_books()) {
        EXPECT_THAT(BrokenInvariants(world), IsEmpty());
      }
      if (++passes == next.stop_after_passes &&
          next.stop != core::StopReason::kNone) {
        control.RequestStop(next.stop);
      }
    };
    const std::set<uint64_t> disputed = DisputedPages(model, request);
    const Observed observed = Migrate(model, request, &control);
    CheckResults(model, request, observed, disputed, drawn.may_vanish());
    coverage.CountResults(observed);
    events.insert(events.end(), observed.events.begin(), observed.events.end());
  }
  world.faults().EndAllHolds();
  if (!drawn.breaks_books()) {
    EXPECT_THAT(BrokenInvariantsAtRest(world), IsEmpty());
  }
  return events;
}

class PropertyTest : public testing::TestWithParam<int> {};

TEST_P(PropertyTest, EveryPageIsAccountedForAndTheBooksBalance) {
  Coverage coverage;
  for (int seed = GetParam(); seed < Seeds(); seed += kShards) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RunSeed(seed, coverage);
    if (HasFailure()) {
      std::cout << Drawn(seed).text();
      return;
    }
  }
  for (const auto& [what, count] : coverage.counts()) {
    std::cout << count << "\t" << what << "\n";
  }
  // Fewer seeds need not reach everything.
  if (Seeds() >= kAllSeeds) {
    EXPECT_THAT(coverage.Missing(), IsEmpty());
  }
}

TEST_P(PropertyTest, TheSameSeedGivesTheSameEvents) {
  Coverage coverage;
  for (int seed = GetParam(); seed < Seeds(); seed += 10 * kShards) {
    EXPECT_EQ(RunSeed(seed, coverage), RunSeed(seed, coverage))
        << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Shards, PropertyTest, testing::Range(0, kShards));

}  // namespace
}  // namespace pageferry::model
