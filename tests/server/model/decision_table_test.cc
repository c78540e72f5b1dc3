// The decision table of the migration core: which state of a page gets which
// answer, by mode and by whether the pass is forced. Every cell is driven
// through core::MigratePages() and checked in the books of the machine too.

#include "tests/server/model/decision_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/core/reasons.h"
#include "server/model/rmap.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::Reason;
using testing::IsEmpty;

constexpr Mode kModes[] = {Mode::kAsync, Mode::kSyncLight, Mode::kSync};

// What the machine knows of one mapped page.
struct Mapped {
  uint64_t bits = 0;
  NodeId node;
  int32_t references = 0;
  uint32_t flags = 0;
  int32_t map_count = 0;
  core::PageFrameNumber pfn;

  friend bool operator==(const Mapped&, const Mapped&) = default;
};

std::ostream& operator<<(std::ostream& out, const Mapped& mapped) {
  return out << std::hex << "entry " << mapped.bits << " flags " << mapped.flags
             << std::dec << " node " << mapped.node.value() << " references "
             << mapped.references << " map count " << mapped.map_count
             << " frame " << mapped.pfn.value();
}

// By pid and page number.
using Mappings = std::map<std::pair<int32_t, uint64_t>, Mapped>;

Mappings MappingsOf(TestModel& model) {
  Mappings mappings;
  for (const auto& [pid, process] : model.backend->world().processes()) {
    process->space().ForEachVma([&, pid = pid](Vma& vma) {
      ForEachEntry(vma, [&, pid](uint64_t number) {
        const Entry entry = vma.space->page_table().Find(number).Read();
        if (!entry.maps_page()) return;
        const Page& page = model.machine().memory.PageOf(entry.pfn());
        mappings[{pid, number}] = {entry.bits(),      page.node,
                                   page.references(), page.flags.load(),
                                   page.map_count,    page.pfn};
      });
    });
  }
  return mappings;
}

class CellTest {
 public:
  CellTest(const Row& row, int mode, bool forced)
      : row_(row),
        forced_(forced),
        cell_(forced ? row.forced[mode] : row.early[mode]),
        forced_cell_(row.forced[mode]),
        huge_(row.scenario.find("HUGE") != std::string::npos),
        hugetlb_(row.scenario.find("HUGETLB") != std::string::npos),
        model_(absl::StrCat(TableNodes(), row.scenario)) {
    std::vector<core::PageRun> runs = {Pages(huge_ ? kHugePage : kPage)};
    // A second page, to see what ENOMEM does to the rest of a list.
    if (cell_.says == Says::kNoMemory && !huge_) runs[0].pages = 2;
    request_ = Move(runs, kModes[mode]);
    request_.parameters.move_shared = true;
    request_.options.max_passes = forced ? 1 : 10;
    request_.options.no_memory = core::NoMemoryPolicy::kAbortList;
  }

  void Run() {
    Touch();
    before_ = MappingsOf(model_);
    content_ = ContentOf(model_.backend->world(), 10);
    const uint64_t free_before = FreePages(0);
    observed_ = Migrate(model_, request_);
    after_ = MappingsOf(model_);
    CheckAnswer();
    CheckCounters();
    if ((row_.traits & kUnmapsPage) == 0) CheckMappings();
    if ((row_.traits & (kBooksBroken | kUnmapsPage | kChanges)) == 0) {
      const bool moved = observed_.summary.moved_pages > 0;
      EXPECT_EQ(FreePages(0), free_before + (moved ? MovedFrames() : 0));
    }
    model_.backend->world().faults().EndAllHolds();
    if ((row_.traits & kBooksBroken) == 0) {
      EXPECT_THAT(BrokenInvariantsAtRest(model_.backend->world()), IsEmpty());
    }
    if (row_.number == "7") CheckMovedInSwapCache();
  }

 private:
  uint64_t PageNumber() const { return huge_ ? kHugePage : kPage; }
  uint64_t MovedFrames() const { return hugetlb_ ? 512 : 1; }
  uint64_t FreePages(int32_t node) {
    return model_.machine().memory.arena(NodeId(node))->free_pages();
  }

  // Makes the entry young, dirty and soft-dirty, where that is allowed.
  void Touch() {
    const auto address = core::VirtualAddress::OfPage(PageNumber());
    uint64_t value = 0;
    if (model_.space(10).Load(address, &value) != Access::kDone) return;
    const bool merged = row_.scenario.find("MERGED") != std::string::npos;
    if ((row_.traits & kOnlyLoads) == 0 && !merged) {
      EXPECT_EQ(model_.space(10).Store(address, value), Access::kDone);
    }
  }

  void CheckAnswer() {
    ASSERT_FALSE(observed_.passes.empty());
    const core::PassFigures& first = observed_.passes.front();
    EXPECT_EQ(first.forced, forced_);
    const core::SettledRun& page = observed_.pages.at(PageNumber());
    switch (cell_.says) {
      case Says::kAgain:
        EXPECT_EQ(first.retry_pages, 1u);
        EXPECT_EQ(first.retry_reasons[static_cast<size_t>(cell_.reason)], 1u);
        if (!forced_ && (row_.traits & kChanges) == 0) CheckLaterPasses();
        return;
      case Says::kFails:
        EXPECT_EQ(page.outcome, Outcome::kFailed);
        EXPECT_EQ(page.reason, cell_.reason);
        EXPECT_EQ(page.passes, 1u);
        return;
      case Says::kNoMemory:
        EXPECT_EQ(page.reason, Reason::kNoMemory);
        EXPECT_EQ(observed_.passes.size(), 1u);
        // The rest of the list was given up.
        for (const auto& [number, other] : observed_.pages) {
          if (number == PageNumber()) continue;
          EXPECT_EQ(other.outcome, Outcome::kNotAttempted);
          EXPECT_EQ(other.reason, Reason::kAborted);
        }
        return;
      case Says::kSuccess:
      case Says::kWaits:
        EXPECT_EQ(page.passes, 1u);
        EXPECT_EQ(model_.clock->Monotonic() > absl::ZeroDuration(),
                  cell_.says == Says::kWaits);
        EXPECT_EQ(page.outcome, (row_.traits & kUnmapsPage) != 0
                                    ? Outcome::kFailed  // NOT_PRESENT
                                    : Outcome::kMoved);
        return;
    }
  }

  // Passes 0 to 2 all say the same, and those from 3 on what the forced cell
  // says.
  void CheckLaterPasses() {
    const core::SettledRun& page = observed_.pages.at(PageNumber());
    const bool waits = forced_cell_.says == Says::kWaits;
    const size_t again = waits ? 3 : 10;
    ASSERT_EQ(observed_.passes.size(), waits ? 4u : 10u);
    for (size_t pass = 0; pass < again; ++pass) {
      EXPECT_EQ(observed_.passes[pass].retry_pages, 1u) << "pass " << pass;
    }
    EXPECT_EQ(page.outcome, waits ? Outcome::kMoved : Outcome::kFailed);
    EXPECT_EQ(page.reason, waits ? Reason::kNone : cell_.reason);
  }

  // The counters and the trace agree with how it ended.
  void CheckCounters() {
    const Vmstat& vmstat = model_.machine().vmstat;
    const core::SettledRun& page = observed_.pages.at(PageNumber());
    const bool freed =
        page.outcome == Outcome::kFailed && page.reason == Reason::kNotPresent;
    uint64_t succeeded = 0;
    uint64_t failed = 0;
    if (page.outcome == Outcome::kMoved || freed ||
        (row_.traits & kQuirk) != 0) {
      succeeded = MovedFrames();
    } else if (page.reason != Reason::kNoMemory) {
      failed = MovedFrames();
    }
    EXPECT_EQ(vmstat.pgmigrate_success.load(), succeeded);
    EXPECT_EQ(vmstat.pgmigrate_fail.load(), failed);
    const auto traces = model_.backend->Traces();
    ASSERT_EQ(traces.size(), succeeded + failed > 0 ? 1u : 0u);
    if (!traces.empty()) {
      EXPECT_EQ(traces[0],
                (MigrateTrace{succeeded, failed, request_.parameters.mode}));
    }
  }

  // A page that moved is mapped as the table says; one that did not, exactly as
  // before.
  void CheckMappings() {
    EXPECT_EQ(ContentOf(model_.backend->world(), 10), content_);
    if (observed_.summary.moved_pages == 0) {
      EXPECT_EQ(CommonState(after_), CommonState(before_));
      return;
    }
    const bool split = huge_ && !hugetlb_;
    for (const auto& [place, was] : before_) {
      const Mapped& now = after_.at(place);
      if (was.node == now.node) continue;
      EXPECT_EQ(now.node, NodeId(1));
      EXPECT_EQ(now.map_count, was.map_count);
      if (!split) {
        EXPECT_EQ(now.references, was.references + Released());
      }
      EXPECT_EQ(now.bits & Entry::kYoung, 0u);
      EXPECT_EQ(now.bits & Entry::kWrite, was.bits & Entry::kWrite);
      EXPECT_EQ(now.bits & Entry::kSoftDirty, was.bits & Entry::kSoftDirty);
      EXPECT_EQ(now.bits & Entry::kAccessible, was.bits & Entry::kAccessible);
      if (!split) {
        EXPECT_EQ(KeptFlags(now.flags), KeptFlags(was.flags));
      }
      EXPECT_EQ(model_.machine().memory.PageOf(was.pfn).references(), 0);
    }
  }

  // References that end with the state itself.
  int32_t Released() const { return (row_.traits & kReleases) != 0 ? -1 : 0; }

  static uint32_t Bits(PageFlag flag) { return static_cast<uint32_t>(flag); }

  // Flags that a move keeps. The dirty bit of the entry became the page's, and
  // the state that was waited for is over.
  uint32_t KeptFlags(uint32_t flags) const {
    uint32_t lost = Bits(PageFlag::kDirty) | Bits(PageFlag::kWriteback) |
                    Bits(PageFlag::kLocked);
    if (Released() != 0) lost |= Bits(PageFlag::kPrivate);
    return flags & ~lost;
  }

  // What must not change when a page stays. Writing a page out cleans it.
  Mappings CommonState(Mappings mappings) const {
    for (auto& [place, mapped] : mappings) {
      mapped.flags &= ~Bits(PageFlag::kDirty);
    }
    return mappings;
  }

  // Row 7: nobody maps the page, and its slot in the swap cache has it where it
  // was to go.
  void CheckMovedInSwapCache() {
    uint64_t found = 0;
    model_.machine().memory.ForEachUsedFrame([&](Page& page) {
      if (page.Has(PageFlag::kSwapCache) && page.node == NodeId(1)) {
        ++found;
        EXPECT_EQ(page.map_count.load(), 0);
      }
    });
    EXPECT_EQ(found, 1u);
  }

  const Row& row_;
  const bool forced_;
  const Cell cell_;
  const Cell forced_cell_;
  const bool huge_;
  const bool hugetlb_;
  TestModel model_;
  Request request_;
  Observed observed_;
  Mappings before_;
  Mappings after_;
  std::map<uint64_t, uint64_t> content_;
};

// The errno of a cell that fails for good.
std::string ErrorName(const Row& row, Reason reason) {
  if ((row.traits & kQuirk) != 0) return "success, not moved:";
  if (reason == Reason::kIoError) return "EIO";
  if (reason != Reason::kUnsupported) return "EBUSY";
  return row.number == "17" ? "EINVAL" : "ENOSYS";
}

std::string Verdict(const Row& row, const Cell& cell) {
  switch (cell.says) {
    case Says::kSuccess:
      return "success";
    case Says::kWaits:
      return "waits";
    case Says::kAgain:
      return absl::StrCat("EAGAIN ", core::ReasonName(cell.reason));
    case Says::kFails:
      return absl::StrCat(ErrorName(row, cell.reason), " ",
                          core::ReasonName(cell.reason));
    case Says::kNoMemory:
      return "ENOMEM, abort";
  }
  return "";
}

class DecisionTableTest : public testing::TestWithParam<Row> {};

TEST_P(DecisionTableTest, AnswersAndLeavesThePageAsTheTableSays) {
  const Row& row = GetParam();
  std::string line =
      absl::StrCat("| ", row.number, " | ", row.function, " | ", row.state);
  for (int mode = 0; mode < 3; ++mode) {
    for (const bool forced : {false, true}) {
      const Cell& cell = forced ? row.forced[mode] : row.early[mode];
      SCOPED_TRACE(absl::StrCat(core::ModeName(kModes[mode]),
                                forced ? ", forced pass" : ", passes 0-2"));
      CellTest(row, mode, forced).Run();
      absl::StrAppend(&line, forced ? " / " : " | ", Verdict(row, cell));
    }
  }
  std::cout << line << " |" << (HasFailure() ? " FAILED" : " ok") << "\n";
}

std::string RowName(const testing::TestParamInfo<Row>& row) {
  std::string name =
      absl::StrCat("Row", row.param.number, "_", row.param.state);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !absl::ascii_isalnum(c); },
      '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(BasePages, DecisionTableTest,
                         testing::ValuesIn(BasePageRows()), RowName);
INSTANTIATE_TEST_SUITE_P(HugePages, DecisionTableTest,
                         testing::ValuesIn(HugePageRows()), RowName);

}  // namespace
}  // namespace pageferry::model
