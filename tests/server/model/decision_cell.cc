#include "tests/server/model/decision_cell.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using core::Outcome;
using core::Reason;
using testing::IsEmpty;

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
  explicit CellTest(const CellOfRow& place)
      : place_(place),
        row_(place.row),
        cell_(place.cell()),
        model_(absl::StrCat(TableNodes(), row_.scenario)) {
    std::vector<core::PageRun> runs = {Pages(PageNumber())};
    // A second page, a base page, to see what ENOMEM does to the rest of a
    // list.
    if (cell_.verdict == Verdict::kNoMemory) {
      runs.push_back(Pages(place_.huge() ? kBehindHugePage : kPage + 1));
    }
    request_ = Move(runs, place_.mode);
    request_.parameters.move_shared = true;
    request_.options.max_passes = place_.forced ? 1 : 10;
    request_.options.no_memory = core::NoMemoryPolicy::kAbortList;
  }

  void Run() {
    Touch(model_, place_);
    before_ = MappingsOf(model_);
    content_ = ContentOf(model_.backend->world(), 10);
    const uint64_t free_before = FreePages(0);
    observed_ = Migrate(model_, request_);
    after_ = MappingsOf(model_);
    CheckAnswer();
    CheckCounters();
    if ((row_.traits & kUnmapsPage) == 0) {
      CheckMappings();
    } else {
      CheckNothingIsMapped();
    }
    if ((row_.traits & (kBooksBroken | kUnmapsPage)) == 0) {
      const bool moved = observed_.summary.moved_pages > 0;
      EXPECT_EQ(FreePages(0), free_before + (moved ? MovedFrames() : 0));
    }
    model_.backend->world().faults().EndAllHolds();
    if ((row_.traits & kBooksBroken) == 0) {
      EXPECT_THAT(BrokenInvariantsAtRest(model_.backend->world()), IsEmpty());
    }
    if (row_.number == "7") CheckMovedInSwapCache();
    if (row_.number == "10") CheckSourceIsFree();
  }

 private:
  uint64_t PageNumber() const { return place_.page_number(); }
  uint64_t MovedFrames() const { return place_.hugetlb() ? 512 : 1; }
  uint64_t FreePages(int32_t node) {
    return model_.machine().memory.arena(NodeId(node))->free_pages();
  }

  void CheckAnswer() {
    ASSERT_FALSE(observed_.passes.empty());
    const core::PassFigures& first = observed_.passes.front();
    EXPECT_EQ(first.forced, place_.forced);
    const core::SettledRun& page = observed_.pages.at(PageNumber());
    switch (cell_.verdict) {
      case Verdict::kAgain:
        EXPECT_EQ(first.retry_pages, 1u);
        EXPECT_EQ(first.retry_reasons[static_cast<size_t>(cell_.reason)], 1u);
        if (place_.forced) return;
        if ((row_.traits & kChanges) == 0) {
          CheckLaterPasses();
        } else if ((row_.traits & kUnmapsPage) == 0) {
          // What was in the way is over, and a later pass moves the page.
          EXPECT_EQ(page.outcome, Outcome::kMoved);
          EXPECT_GT(page.passes, 1u);
        }
        return;
      case Verdict::kNoMemory:
        EXPECT_EQ(page.reason, Reason::kNoMemory);
        EXPECT_EQ(observed_.passes.size(), 1u);
        // The rest of the list was given up.
        EXPECT_EQ(observed_.pages.size(), 2u);
        for (const auto& [number, other] : observed_.pages) {
          if (number == PageNumber()) continue;
          EXPECT_EQ(other.outcome, Outcome::kNotAttempted);
          EXPECT_EQ(other.reason, Reason::kAborted);
        }
        return;
      case Verdict::kSuccess:
        EXPECT_EQ(page.passes, 1u);
        EXPECT_EQ(model_.clock->Monotonic() > absl::ZeroDuration(),
                  cell_.waits);
        CheckOutcomeOfSuccess(page);
        return;
      case Verdict::kStopped:
        ADD_FAILURE() << "nobody has filled this cell in";
        return;
      case Verdict::kBusy:
      case Verdict::kInvalid:
      case Verdict::kIoError:
      case Verdict::kNoSys:
        EXPECT_EQ(page.outcome, Outcome::kFailed);
        EXPECT_EQ(page.reason, cell_.reason);
        EXPECT_EQ(page.passes, 1u);
        return;
    }
  }

  // What the core calls a success is told truthfully: a page that is gone is
  // not present, one that was put back unmoved has failed.
  void CheckOutcomeOfSuccess(const core::SettledRun& page) {
    if ((row_.traits & kUnmapsPage) != 0) {
      EXPECT_EQ(page.outcome, Outcome::kFailed);
      EXPECT_EQ(page.reason, Reason::kNotPresent);
    } else if ((row_.traits & kQuirk) != 0) {
      EXPECT_EQ(page.outcome, Outcome::kFailed);
      EXPECT_EQ(page.reason, Reason::kPinned);
    } else {
      EXPECT_EQ(page.outcome, Outcome::kMoved);
    }
  }

  // Passes 0 to 2 all say the same, and those from 3 on what the forced cell
  // says.
  void CheckLaterPasses() {
    const core::SettledRun& page = observed_.pages.at(PageNumber());
    const bool waits = place_.forced_cell().waits;
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
    const bool split = place_.huge() && !place_.hugetlb();
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

  void CheckNothingIsMapped() {
    EXPECT_EQ(after_.count({10, PageNumber()}), 0u);
  }

  // Row 10: with its buffers, the last thing that kept the page is gone.
  void CheckSourceIsFree() {
    const Mapped& was = before_.at({10, PageNumber()});
    EXPECT_EQ(model_.machine().memory.PageOf(was.pfn).references(), 0);
  }

  // Row 7: its slot in the swap cache has the page where it was to go.
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

  const CellOfRow& place_;
  const Row& row_;
  const Cell cell_;
  TestModel model_;
  Request request_;
  Observed observed_;
  Mappings before_;
  Mappings after_;
  std::map<uint64_t, uint64_t> content_;
};

}  // namespace

bool CellOfRow::huge() const { return absl::StrContains(row.scenario, "HUGE"); }

bool CellOfRow::hugetlb() const {
  return absl::StrContains(row.scenario, "HUGETLB");
}

void Touch(TestModel& model, const CellOfRow& cell) {
  const auto address = core::VirtualAddress::OfPage(cell.page_number());
  uint64_t value = 0;
  for (const auto& [pid, process] : model.backend->world().processes()) {
    process->space().Load(address, &value);
  }
  if (model.space(10).Load(address, &value) != Access::kDone) return;
  const bool merged = absl::StrContains(cell.row.scenario, "MERGED");
  if ((cell.row.traits & kOnlyLoads) == 0 && !merged) {
    EXPECT_EQ(model.space(10).Store(address, value), Access::kDone);
  }
}

void ExpectThroughThePassLoop(const CellOfRow& cell) { CellTest(cell).Run(); }

}  // namespace pageferry::model
