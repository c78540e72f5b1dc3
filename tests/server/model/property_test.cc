// What holds for every scenario and every request. Scenarios are drawn from
// seeds; PAGEFERRY_PROPERTY_SEEDS says how many.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/model/look.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Outcome;
using core::Reason;
using testing::IsEmpty;

int Seeds() {
  const char* const text = std::getenv("PAGEFERRY_PROPERTY_SEEDS");
  int seeds = 0;
  return text != nullptr && absl::SimpleAtoi(text, &seeds) ? seeds : 300;
}

// Draws a scenario, and requests for it.
class Drawn {
 public:
  explicit Drawn(int seed) : random_(seed) {
    nodes_ = static_cast<int>(2 + Below(3));
    absl::StrAppend(&text_, "seed: ", seed, "\n");
    if (Below(4) == 0) text_ += "traits { hides_numa_hints: true }\n";
    for (int node = 0; node < nodes_; ++node) {
      // Some are too small for all that may be asked of them.
      absl::StrAppend(&text_, "nodes { id: ", node,
                      " capacity_pages: ", node < 2 ? 8192 : 64 + Below(2000),
                      " }\n");
    }
    DrawFiles();
    DrawProcess(10);
    DrawProcess(11);
    if (Below(2) == 0) {
      text_ += "processes { pid: 12 fork_of: 10 }\n";
    }
    DrawFaults();
  }

  const std::string& text() const { return text_; }

  // Whether pages may go away between their result and a look at them.
  bool may_vanish() const {
    return absl::StrContains(text_, "process_events") ||
           absl::StrContains(text_, "kinds: 10") ||
           absl::StrContains(text_, "kinds: 11");
  }

  Request DrawRequest() {
    Request request;
    request.pid = 10 + static_cast<int32_t>(Below(2));
    const auto& runs = runs_[request.pid - 10];
    for (const core::PageRun& run : runs) {
      if (Below(4) == 0) continue;
      const uint64_t skipped = Below(run.pages);
      request.runs.push_back(
          {run.start.PlusPages(skipped), 1 + Below(run.pages - skipped + 4)});
    }
    if (request.runs.empty()) request.runs.push_back(runs.front());
    request.nodes = {static_cast<int32_t>(Below(nodes_))};
    if (Below(2) == 0) {
      request.nodes.push_back((request.nodes[0] + 1) % nodes_);
    }
    request.parameters.mode = static_cast<core::Mode>(1 + Below(3));
    request.parameters.move_shared = Below(2) == 0;
    request.parameters.validate_only = Below(8) == 0;
    request.options.max_passes = static_cast<uint32_t>(1 + Below(10));
    request.options.initial_backoff = absl::ZeroDuration();
    request.options.max_batch_pages = static_cast<uint32_t>(16 + Below(600));
    return request;
  }

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }

  std::string Node() {
    return absl::StrCat("placements { node: 0 weight: ", 1 + Below(9), " } ",
                        "placements { node: ", Below(2), " } ");
  }

  void DrawFiles() {
    for (int file = 0; file < 3; ++file) {
      const uint64_t migrate = 1 + Below(4);
      absl::StrAppend(&text_, "files { name: 'f", file,
                      "' pages: 32 placements { node: 0 }",
                      " migrate: ", migrate, " writepage: ", 1 + Below(3),
                      " write_latency_ms: ", Below(5), Flag("dirty"),
                      migrate % 2 == 0 ? Flag("private_data") : "",
                      Flag("keeps_private_data"), " }\n");
    }
    absl::StrAppend(&text_, "balloons { name: 'b' pages: 8 ",
                    "placements { node: 0 }", Flag("refuses_migration"),
                    " }\n");
  }

  std::string Flag(absl::string_view name) {
    return absl::StrCat(" ", name, ": ", Below(3) == 0 ? "true" : "false");
  }

  void DrawProcess(int pid) {
    absl::StrAppend(&text_, "processes { pid: ", pid, "\n");
    uint64_t page = 512;
    const uint64_t regions = 2 + Below(5);
    for (uint64_t i = 0; i < regions; ++i) {
      const uint64_t kind = 1 + Below(11);
      uint64_t pages = 1 + Below(32);
      std::string more;
      if (kind == 2 || kind == 3) {
        page = (page + 511) / 512 * 512;
        pages = 512;
      }
      if (kind <= 3 || kind == 6) more = Node();
      if (kind == 4 || kind == 5) more = absl::StrCat("source: 'f", i % 3, "'");
      if (kind == 11) more = "source: 'b'";
      if (kind == 11) pages = 1 + Below(8);
      if (kind == 1) {
        more += Flag("swap_cached") + Flag("mlocked") + Flag("temporary_stack");
      }
      absl::StrAppend(
          &text_, "regions { start_address: ", page * core::kPageBytes,
          " pages: ", pages, " kind: ", kind, " ", more,
          " protection: ", 1 + Below(3), Flag("numa_hinted"), " }\n");
      runs_[pid - 10].push_back(Pages(page, pages));
      page += pages + Below(3);
    }
    text_ += "}\n";
  }

  void DrawFaults() {
    for (int pid : {10, 11}) {
      absl::StrAppend(&text_, "random_page_faults { pid: ", pid,
                      " per_mille: ", 1 + Below(400),
                      " max_tries: ", 1 + Below(12),
                      " max_from_try: ", Below(3));
      for (int i = 0; i < 4; ++i) {
        // All but the one that breaks the books by design.
        absl::StrAppend(&text_, " kinds: ", 1 + Below(11));
      }
      text_ += " }\n";
    }
    if (Below(6) == 0) {
      absl::StrAppend(&text_, "process_events { pid: 10 kind: ", 1 + Below(4),
                      " batch: ", Below(3), " allowed_nodes: 0 }\n");
    }
    if (Below(4) == 0) {
      absl::StrAppend(&text_, "fill_events { node: ", Below(nodes_),
                      " batch: ", Below(3), " leave_free_pages: ", Below(600),
                      " }\n");
    }
  }

  std::mt19937 random_;
  int nodes_ = 2;
  std::string text_;
  std::vector<core::PageRun> runs_[2];
};

// The rules of the contract that hold for any migration.
void CheckResults(TestModel& model, const Request& request,
                  const Observed& observed, bool may_vanish) {
  const core::MigrationSummary& summary = observed.summary;
  EXPECT_EQ(observed.repeated_pages, 0u);
  EXPECT_EQ(observed.pages.size(), summary.requested_pages);
  EXPECT_EQ(summary.requested_pages,
            summary.moved_pages + summary.already_placed_pages +
                summary.failed_pages + summary.not_attempted_pages +
                summary.would_move_pages);
  for (const auto& [number, page] : observed.pages) {
    // What the schedule has taken away since.
    const core::NodeId now = NodeOf(model, number, request.pid);
    if (may_vanish && !now.known()) continue;
    if (page.outcome == Outcome::kMoved) {
      EXPECT_EQ(now, page.node) << "page " << number;
      EXPECT_NE(page.source, page.node) << "page " << number;
      EXPECT_FALSE(request.parameters.validate_only);
    }
    if (page.outcome == Outcome::kAlreadyPlaced) {
      EXPECT_EQ(now, page.node) << "page " << number;
    }
    const bool needs_reason = page.outcome == Outcome::kFailed ||
                              page.outcome == Outcome::kNotAttempted;
    EXPECT_EQ(page.reason != Reason::kNone, needs_reason) << "page " << number;
  }
}

// Makes the scenario of a seed and runs requests on it. Returns all events.
std::vector<std::string> RunSeed(int seed) {
  Drawn drawn(seed);
  TestModel model(drawn.text());
  std::vector<std::string> events;
  for (int i = 0; i < 3; ++i) {
    Request request = drawn.DrawRequest();
    request.after_pass = [&world = model.backend->world()] {
      EXPECT_THAT(BrokenInvariants(world), IsEmpty());
    };
    auto target = model.backend->OpenProcess(request.pid, absl::nullopt);
    if (!target.ok()) break;  // exited
    core::PageList::Builder builder;
    builder.StartEntry(
        {{core::NodeId(request.nodes[0]), core::NodeId(request.nodes.back())}});
    builder.AddRange(request.runs[0].start, 1);
    absl::optional<core::PlacementConflict> conflict;
    const core::PageList pages = std::move(builder).Build(&conflict);
    if (!(*target)->NewMover(pages, request.parameters).ok()) break;
    const Observed observed = Migrate(model, request);
    CheckResults(model, request, observed, drawn.may_vanish());
    events.insert(events.end(), observed.events.begin(), observed.events.end());
  }
  model.backend->world().faults().EndAllHolds();
  EXPECT_THAT(BrokenInvariantsAtRest(model.backend->world()), IsEmpty());
  return events;
}

TEST(PropertyTest, EveryPageIsAccountedForAndTheBooksBalance) {
  for (int seed = 0; seed < Seeds(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    RunSeed(seed);
    if (HasFailure()) {
      std::cout << Drawn(seed).text();
      return;
    }
  }
}

TEST(PropertyTest, TheSameSeedGivesTheSameEvents) {
  for (int seed = 0; seed < Seeds(); seed += 10) {
    EXPECT_EQ(RunSeed(seed), RunSeed(seed)) << "seed " << seed;
  }
}

}  // namespace
}  // namespace pageferry::model
