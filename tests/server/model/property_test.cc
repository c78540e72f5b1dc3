// What holds for every scenario and every request. Scenarios are drawn from
// seeds: 10,000, or as many as PAGEFERRY_PROPERTY_SEEDS says.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
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

// The pages that two addresses of a request show. One may move it after the
// other's result; they may have two destinations, and the last one wins.
std::set<uint64_t> TwinPages(TestModel& model, const Request& request) {
  std::set<uint64_t> twins;
  std::map<const Page*, uint64_t> first_address;
  std::vector<core::PageRun> runs = request.runs;
  runs.insert(runs.end(), request.other_runs.begin(), request.other_runs.end());
  for (const core::PageRun& run : runs) {
    for (uint64_t i = 0; i < run.pages; ++i) {
      const uint64_t number = run.start.page_number() + i;
      LookAt(model.space(request.pid), number, [&](const PageView& view) {
        if (view.page == nullptr) return;
        const auto [first, is_first] = first_address.emplace(view.page, number);
        if (!is_first) twins.insert({first->second, number});
      });
    }
  }
  return twins;
}

std::set<uint64_t> RequestedPages(const Request& request) {
  std::set<uint64_t> pages;
  for (const auto* runs : {&request.runs, &request.other_runs}) {
    for (const core::PageRun& run : *runs) {
      for (uint64_t i = 0; i < run.pages; ++i) {
        pages.insert(run.start.page_number() + i);
      }
    }
  }
  return pages;
}

// Each page of the request has one result, and the summary counts these.
void CheckAccounts(const Request& request, const Observed& observed) {
  const core::MigrationSummary& summary = observed.summary;
  EXPECT_EQ(observed.repeated_pages, 0u);
  std::set<uint64_t> pages;
  std::map<Outcome, uint64_t> outcomes;
  for (const auto& [number, page] : observed.pages) {
    pages.insert(pages.end(), number);
    ++outcomes[page.outcome];
  }
  EXPECT_EQ(pages, RequestedPages(request));
  EXPECT_EQ(summary.requested_pages, pages.size());
  EXPECT_EQ(summary.moved_pages, outcomes[Outcome::kMoved]);
  EXPECT_EQ(summary.already_placed_pages, outcomes[Outcome::kAlreadyPlaced]);
  EXPECT_EQ(summary.failed_pages, outcomes[Outcome::kFailed]);
  EXPECT_EQ(summary.not_attempted_pages, outcomes[Outcome::kNotAttempted]);
  EXPECT_EQ(summary.would_move_pages, outcomes[Outcome::kWouldMove]);
}

// The rules of the contract that hold for any page's result.
void CheckResults(TestModel& model, const Request& request,
                  const Observed& observed, const std::set<uint64_t>& twins,
                  bool may_vanish) {
  for (const auto& [number, page] : observed.pages) {
    const bool needs_reason = page.outcome == Outcome::kFailed ||
                              page.outcome == Outcome::kNotAttempted;
    EXPECT_EQ(page.reason != Reason::kNone, needs_reason) << "page " << number;
    if (page.outcome == Outcome::kFailed) {
      EXPECT_EQ(
          page.reason == Reason::kInvalid,
          core::VirtualAddress::OfPage(number) >= core::kEndOfUserAddresses)
          << "page " << number;
    }
    if (page.outcome == Outcome::kMoved) {
      EXPECT_NE(page.source, page.node) << "page " << number;
      EXPECT_FALSE(request.parameters.validate_only);
    }
    const core::LocatedRun located =
        LocatePage(model.space(request.pid), number);
    const core::NodeId now = located.node;
    // What the schedule has taken away since, or hidden in the last try.
    if (may_vanish && !now.known()) continue;
    if (needs_reason && located.reason == Reason::kNumaHint) continue;
    const bool last_wins = needs_reason || !request.other_runs.empty();
    if (last_wins && twins.count(number) > 0) continue;
    if (!needs_reason || page.node.known()) {
      EXPECT_EQ(now, page.node) << "page " << number;
    }
  }
}

// OK when the process is there, and may be moved as the request says.
absl::Status Ask(TestModel& model, const Request& request) {
  auto target = model.backend->OpenProcess(request.pid, absl::nullopt);
  if (!target.ok()) return target.status();
  core::PageList::Builder builder;
  builder.StartEntry(
      {{core::NodeId(request.nodes[0]), core::NodeId(request.nodes.back()),
        core::NodeId(request.other_node)}});
  builder.AddRange(request.runs[0].start, 1);
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  return (*target)->NewMover(pages, request.parameters).status();
}

// Asks for the process that the scenario may keep from us.
void CheckGuardedProcess(TestModel& model, const Drawn& drawn,
                         Coverage& coverage) {
  const absl::optional<core::RefusalReason> expected = drawn.guard();
  const Request request = drawn.RequestOfGuarded();
  const absl::Status status = Ask(model, request);
  ASSERT_EQ(status.ok(), !expected.has_value()) << status;
  if (expected.has_value()) {
    EXPECT_EQ(core::RefusalOf(status).reason, *expected);
    coverage.CountRefusal(core::RefusalOf(status).reason);
    return;
  }
  const Observed observed = Migrate(model, request);
  CheckAccounts(request, observed);
  CheckResults(model, request, observed, {}, false);
}

// A hash of each page of all processes, by pid and page number.
using Content = std::map<std::pair<int32_t, uint64_t>, uint64_t>;

Content AllContent(World& world) {
  Content content;
  for (const auto& [pid, process] : world.processes()) {
    for (const auto& [number, hash] : ContentOf(world, pid)) {
      content.emplace_hint(content.end(), std::pair(pid, number), hash);
    }
  }
  return content;
}

// Nobody stores, so a page that is mapped before and after is the same.
void ExpectSameContent(World& world, const Content& before) {
  for (const auto& [place, hash] : AllContent(world)) {
    const auto was = before.find(place);
    if (was == before.end()) continue;
    EXPECT_EQ(hash, was->second)
        << "pid " << place.first << " page " << place.second;
  }
}

// Makes the scenario of a seed and runs requests on it. Returns all events.
std::vector<std::string> RunSeed(int seed, Coverage& coverage) {
  Drawn drawn(seed);
  TestModel model(drawn.text());
  World& world = model.backend->world();
  coverage.CountScenario((*Scenario::Parse(drawn.text()))->proto());
  // A look at all content costs about as much as a request.
  const bool compare = seed / kShards % 4 == 0;
  const auto content = compare ? AllContent(world) : Content();
  std::vector<std::string> events;
  for (int i = 0; i < 3; ++i) {
    DrawnRequest next = drawn.DrawRequest();
    Request& request = next.request;
    if (!Ask(model, request).ok()) break;
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
    const std::set<uint64_t> twins = TwinPages(model, request);
    const Observed observed = Migrate(model, request, &control);
    CheckAccounts(request, observed);
    CheckResults(model, request, observed, twins, drawn.may_vanish());
    coverage.CountResults(observed);
    events.insert(events.end(), observed.events.begin(), observed.events.end());
  }
  CheckGuardedProcess(model, drawn, coverage);
  if (compare) ExpectSameContent(world, content);
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
