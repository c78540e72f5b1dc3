#include "server/model/scenario.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// A scenario that is right, with each line's number as the tests know it.
constexpr absl::string_view kGood =
    "nodes { id: 0 capacity_pages: 1024 }\n"                  // line 1
    "nodes { id: 1 capacity_pages: 1024 }\n"                  // line 2
    "files { name: 'f' pages: 8 placements { node: 0 } }\n";  // line 3

// The complaints about kGood followed by `more`, which begins on line 4.
std::string Complaints(absl::string_view more) {
  const auto parsed = Scenario::Parse(absl::StrCat(kGood, more));
  return parsed.ok() ? "" : std::string(parsed.status().message());
}

std::string OneRegion(absl::string_view region) {
  return absl::StrCat("processes {\n  pid: 10\n  regions {\n    ", region,
                      "\n  }\n}\n");
}

TEST(ScenarioTest, AcceptsWhatMakesSense) {
  EXPECT_EQ(Complaints(OneRegion(
                "start_address: 4096 pages: 4 placements { node: 1 }")),
            "");
}

TEST(ScenarioTest, NamesLineAndColumnOfSyntaxErrors) {
  EXPECT_THAT(Complaints("processes {\n  pid: ten\n}\n"),
              HasSubstr("line 5, column 8"));
  EXPECT_THAT(Complaints("processes { pib: 10 }\n"),
              AllOf(HasSubstr("line 4"), HasSubstr("pib")));
}

TEST(ScenarioTest, NamesLineAndFieldOfWhatMakesNoSense) {
  EXPECT_EQ(Complaints(OneRegion(
                "start_address: 4096\n    pages: 0 placements { node: 1 }")),
            "line 8: processes[0].regions[0].pages: must be a positive "
            "multiple of 1");
  EXPECT_EQ(Complaints(OneRegion(
                "start_address: 4096 pages: 1\n    placements { node: 7 }")),
            "line 8: processes[0].regions[0].placements[0].node: there is no "
            "node 7 with memory");
}

TEST(ScenarioTest, NamesTheLineOfTheMessageWhereAFieldIsMissing) {
  EXPECT_EQ(Complaints(OneRegion("start_address: 4096 pages: 1")),
            "line 6: processes[0].regions[0].placements: is required");
}

TEST(ScenarioTest, ListsAllComplaintsAtOnce) {
  const std::string complaints = Complaints(
      "processes { pid: 0 }\nprocesses { pid: 5 fork_of: 6 }\n"
      "page_faults { pid: 9 }\n");
  EXPECT_THAT(complaints, HasSubstr("line 4: processes[0].pid: must be"));
  EXPECT_THAT(complaints, HasSubstr("line 5: processes[1].fork_of: no process "
                                    "before this has pid 6"));
  EXPECT_THAT(complaints,
              HasSubstr("line 6: page_faults[0].kind: is required"));
  EXPECT_THAT(complaints, HasSubstr("line 6: page_faults[0].pid: there is no "
                                    "process 9"));
}

struct BadField {
  std::string text;
  std::string complaint;
};

class BadFieldTest : public testing::TestWithParam<BadField> {};

TEST_P(BadFieldTest, IsComplainedAbout) {
  EXPECT_THAT(Complaints(GetParam().text), HasSubstr(GetParam().complaint));
}

const BadField kBadFields[] = {
    {"", "processes: is required"},
    {"nodes { id: 0 }", "nodes[2].id: node 0 is there already"},
    {"nodes { id: -1 }", "nodes[2].id: -1 is not from 0 to 1023"},
    {"nodes { id: 2 capacity_pages: 4194305 }",
     "nodes[2].capacity_pages: is over 4194304"},
    {"nodes { id: 2 distances: 10 }", "nodes[2].distances[0]: there must be"},
    {"files { pages: 1 placements { node: 0 } }", "files[1].name: is required"},
    {"files { name: 'f' pages: 1 placements { node: 0 } }",
     "files[1].name: 'f' is there already"},
    {"files { name: 'g' placements { node: 0 } }",
     "files[1].pages: must be positive"},
    {"files { name: 'g' pages: 1 placements { node: 0 } private_data: true }",
     "files[1].private_data: needs migrate"},
    {"balloons { name: 'b' pages: 1 }", "balloons[0].placements: is required"},
    {"processes { pid: 3 } processes { pid: 3 }",
     "processes[1].pid: pid 3 is there already"},
    {"processes { pid: 3 allowed_nodes: 9 }",
     "processes[0].allowed_nodes[0]: there is no node 9"},
    {"processes { pid: 3 threads { count: 1 region: 0 } }",
     "threads[0].region: there is no region 0"},
    {"processes { pid: 3 threads { count: 65 } }",
     "threads[0].count: 65 is not from 1 to 64"},
    {OneRegion("start_address: 4097 pages: 1 placements { node: 0 }"),
     "start_address: must be a positive multiple of 4096"},
    {OneRegion("start_address: 4096 pages: 512 kind: REGION_KIND_HUGE"
               " placements { node: 0 }"),
     "start_address: must be a positive multiple of 2097152"},
    {OneRegion("start_address: 2097152 pages: 100 kind: REGION_KIND_HUGETLB"
               " placements { node: 0 }"),
     "pages: must be a positive multiple of 512"},
    {OneRegion("start_address: 4096 pages: 34359738368"
               " kind: REGION_KIND_UNTOUCHED"),
     "pages: reaches beyond the address space"},
    {OneRegion("start_address: 4096 pages: 4 kind: REGION_KIND_FILE"
               " source: 'g'"),
     "source: there is no file 'g'"},
    {OneRegion("start_address: 4096 pages: 4 kind: REGION_KIND_FILE"
               " source: 'f' source_offset_pages: 5"),
     "source_offset_pages: reaches beyond the 8 pages of 'f'"},
    {OneRegion("start_address: 4096 pages: 4 kind: REGION_KIND_BALLOON"
               " source: 'f'"),
     "source: there is no balloon 'f'"},
    {"processes { pid: 3"
     " regions { start_address: 4096 pages: 4 kind: REGION_KIND_ZERO }"
     " regions { start_address: 8192 pages: 4 kind: REGION_KIND_ZERO } }",
     "processes[0].regions[1].start_address: overlaps"},
    {"processes { pid: 3 } random_page_faults { pid: 3 per_mille: 5 }",
     "random_page_faults[0].kinds: is required"},
    {"processes { pid: 3 } random_page_faults { pid: 3 kinds: 1 }",
     "per_mille: 0 is not from 1 to 1000"},
    {"processes { pid: 3 } process_events { pid: 3 }",
     "process_events[0].kind: is required"},
    {"processes { pid: 3 } fill_events { node: 5 }",
     "fill_events[0].node: there is no node 5"},
};

INSTANTIATE_TEST_SUITE_P(Scenario, BadFieldTest, testing::ValuesIn(kBadFields));

TEST(ScenarioTest, PagesThatDoNotFitAreNamedWithLineAndNode) {
  const std::string text = absl::StrCat(
      kGood,
      OneRegion("start_address: 4096\n    pages: 2000 placements { node: 1 }"));
  core::FakeClock clock;
  const auto created = ModelBackend::Create({text, &clock, nullptr});
  ASSERT_FALSE(created.ok());
  EXPECT_EQ(created.status().message(),
            "line 8: processes[0].regions[0].pages: node 1 has no room left "
            "for them");
}

// The scenarios that ship.
class ReadyScenarioTest : public testing::TestWithParam<const char*> {
 protected:
  static std::string Text() {
    std::ifstream file(
        absl::StrCat(PAGEFERRY_SCENARIOS, "/", GetParam(), ".textproto"));
    std::ostringstream text;
    text << file.rdbuf();
    return text.str();
  }
};

TEST_P(ReadyScenarioTest, MigratesEveryProcessInEveryModeAndKeepsItsBooks) {
  for (core::Mode mode :
       {core::Mode::kAsync, core::Mode::kSyncLight, core::Mode::kSync}) {
    TestModel model(Text());
    for (const auto& info : model.backend->Processes()) {
      auto target = model.backend->OpenProcess(info.id.pid, absl::nullopt);
      if (!target.ok()) continue;  // not movable
      std::vector<core::PageRun> runs;
      ASSERT_TRUE((*target)
                      ->LocateResident(
                          core::VirtualAddress(), core::HiddenPages::kLeave,
                          [&](absl::Span<const core::LocatedRun> located) {
                            for (const auto& run : located) {
                              runs.push_back(run.run);
                            }
                            return true;
                          })
                      .ok());
      if (runs.empty()) continue;
      Request request = Move(runs, mode);
      request.pid = info.id.pid;
      request.parameters.move_shared = true;
      // To a node that is allowed to all.
      request.nodes = {
          model.space(info.id.pid).machine().memory.arena(core::NodeId(2)) !=
                      nullptr &&
                  info.name == "left"
              ? 2
              : 1};
      const Observed observed = Migrate(model, request);
      EXPECT_EQ(observed.summary.requested_pages, observed.pages.size());
      EXPECT_GT(
          observed.summary.moved_pages + observed.summary.already_placed_pages,
          0u)
          << info.name;
    }
    model.backend->world().threads().Stop();
    EXPECT_EQ(model.backend->world().threads().lost_stores(), 0u);
    model.backend->world().faults().EndAllHolds();
    EXPECT_THAT(BrokenInvariantsAtRest(model.backend->world()), IsEmpty());
  }
}

INSTANTIATE_TEST_SUITE_P(Ready, ReadyScenarioTest,
                         testing::Values("two-tier-laptop", "four-nodes-cxl",
                                         "busy-writer", "slow-writeback",
                                         "pinned-pages", "nearly-full",
                                         "exiting-process", "hostile-mix"));

TEST(ScenarioTest, SlowWritebackMovesWhollyInSyncAndPartlyInAsync) {
  std::ifstream file(
      absl::StrCat(PAGEFERRY_SCENARIOS, "/slow-writeback.textproto"));
  std::ostringstream text;
  text << file.rdbuf();
  const auto moved_in = [&](core::Mode mode) {
    TestModel model(text.str());
    Request request = Move({Pages(0x10000, 256), Pages(0x20000, 1024)}, mode);
    request.pid = 100;
    return Migrate(model, request).summary;
  };
  const core::MigrationSummary async = moved_in(core::Mode::kAsync);
  EXPECT_EQ(async.moved_pages, 512u);  // locked buffers free up in time
  EXPECT_EQ(async.failures[static_cast<size_t>(core::Reason::kDirty)], 256u);
  EXPECT_EQ(async.failures[static_cast<size_t>(core::Reason::kWriteback)],
            512u);
  EXPECT_EQ(moved_in(core::Mode::kSync).moved_pages, 1280u);
}

}  // namespace
}  // namespace pageferry::model
