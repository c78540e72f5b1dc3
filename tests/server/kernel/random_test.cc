// Random machines, random requests: what must hold whatever the pages are.

#include <random>
#include <utility>

#include "gmock/gmock.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::PageList;
using core::Reason;
using core::VirtualAddress;
using ::testing::IsEmpty;

constexpr uint64_t kBlock = core::kHugePagePages;
constexpr uint64_t kBlocks = 6;

// What must become of a page.
struct Fate {
  Outcome outcome = Outcome::kMoved;
  Reason reason = Reason::kNone;
  // It is on its destination, but hidden: what is said of it depends on when
  // it came to light.
  bool covered = false;
};

class RandomMachine : public KernelWorld {
 public:
  explicit RandomMachine(uint32_t seed) : random_(seed) {
    kernel_.memory.AddNode(2, 1'000'000);
    process_->allowed_nodes.insert(2);
    kernel_.own()->allowed_nodes.insert(2);
    kernel_.behaviour.hides_protected = Chance(40);
    kernel_.behaviour.refuses_hugetlb_tails = Chance(50);
    kernel_.behaviour.untouched_is_enoent = Chance(50);
    kernel_.behaviour.forgets_last_run = Chance(20);
    kernel_.memory.bare_tails = Chance(50);
    kernel_.page_cost = absl::Microseconds(Below(60));
    frames_visible_ = Chance(60);
    if (!frames_visible_) HideFrames();
    constexpr Mode kModes[] = {Mode::kAsync, Mode::kSyncLight, Mode::kSync};
    constexpr uint32_t kPasses[] = {1, 2, 4, 10};
    parameters_.mode = kModes[Below(3)];
    parameters_.move_shared = Chance(50);
    options_.max_passes = kPasses[Below(4)];
    for (uint64_t i = 0; i < kBlocks; ++i) FillBlock(kBase + i * kBlock);
  }

  void ExpectEveryPageToMeetItsFate();
  void ExpectDryRunToForesee();
  void ExpectTruthWithLittleRoom();
  void ExpectTruthWhileThingsChange();

 private:
  uint64_t Below(uint64_t limit) { return random_() % limit; }
  bool Chance(int percent) {
    return Below(100) < static_cast<uint64_t>(percent);
  }

  // Two mega bytes of address space: one mapping, now and then with a hole
  // behind it or as part of a larger one with pages of several sizes.
  void FillBlock(uint64_t first) {
    const uint64_t pages = Chance(80) ? kBlock : kBlock - 1 - Below(100);
    process_->Map(first, pages, Chance(5) ? "---p" : "rw-p");
    if (pages == kBlock && Chance(40)) {
      FakeFolio* folio = kernel_.memory.Place(SomeNode(), kBlock);
      folio->hugetlb = Chance(30);
      Put(first, folio);
      return;
    }
    for (uint64_t page = first; page < first + pages;) {
      const bool large = page % 16 == 0 && page + 16 <= first + pages;
      const uint32_t size = large && Chance(20) ? 16 : 1;
      if (!Chance(4)) {
        Put(page, kernel_.memory.Place(SomeNode(), size));
      } else if (Chance(50)) {
        process_->pages[page].swapped = true;
      }
      page += size;
    }
    if (Chance(30)) MergeWithBlockBefore();
  }

  int SomeNode() { return Chance(75) ? 0 : static_cast<int>(Below(3)); }

  void Put(uint64_t page, FakeFolio* folio) {
    switch (Below(24)) {
      case 0:
        folio->pinned = true;
        break;
      case 1:
        folio->lru = Lru::kIsolated;
        break;
      case 2:
        folio->lru = Lru::kInCache;
        break;
      case 3:
        folio->locked = true;
        break;
      case 4:
        folio->writeback = true;
        break;
      case 5:
        folio->mappers = 2;
        break;
      case 6:
        folio->zero = folio->pages == 1;
        break;
    }
    process_->Put(page, folio);
    if (!folio->hugetlb && Chance(15)) {
      for (uint32_t i = 0; i < folio->pages; ++i) {
        process_->pages[page + i].numa_hint = true;
      }
    }
  }

  // Makes one mapping of the last two where they touch, so that smaps tells of
  // huge pages for both.
  void MergeWithBlockBefore() {
    std::vector<FakeMapping>& mappings = process_->mappings;
    if (mappings.size() < 2) return;
    FakeMapping& before = mappings[mappings.size() - 2];
    const FakeMapping& last = mappings.back();
    const FakePage* page = process_->Find(before.first_page);
    const bool hugetlb = page != nullptr && page->folio != nullptr &&
                         page->folio->hugetlb;  // has mappings of its own
    if (before.first_page + before.pages != last.first_page ||
        before.permissions != last.permissions || hugetlb) {
      return;
    }
    before.pages += last.pages;
    mappings.pop_back();
  }

  // Half of the pages, in ranges; each block has one destination.
  PageList SomePages() {
    PageList::Builder builder;
    for (const int node : {1, 2}) {
      builder.StartEntry({{NodeId(node)}});
      for (uint64_t block = 0; block < kBlocks; ++block) {
        if (static_cast<int>(block % 3 == 0) + 1 != node) continue;
        const uint64_t first = kBase + block * kBlock;
        if (Chance(40)) builder.AddRange(VirtualAddress::OfPage(first), kBlock);
        for (int i = 0; i < 4; ++i) {
          const uint64_t begin = Below(kBlock);
          builder.AddRange(VirtualAddress::OfPage(first + begin),
                           1 + Below(kBlock - begin));
        }
      }
    }
    absl::optional<core::PlacementConflict> conflict;
    return std::move(builder).Build(&conflict);
  }

  // Nodes of all pages.
  std::map<uint64_t, int> Places() {
    std::map<uint64_t, int> places;
    for (const auto& [page, entry] : process_->pages) {
      places[page] = entry.folio == nullptr ? -1 : entry.folio->node;
    }
    return places;
  }

  // What must become of a page that is asked to `destination`, as things are.
  Fate FateOf(uint64_t page, int destination) {
    const FakeMapping* mapping = process_->MappingOf(page);
    if (mapping == nullptr) return {Outcome::kFailed, Reason::kNotMapped};
    const FakePage* entry = process_->Find(page);
    if (entry != nullptr && entry->swapped) {
      return {Outcome::kFailed, Reason::kSwappedOut};
    }
    if (entry == nullptr || entry->folio == nullptr) {
      return {Outcome::kFailed, Reason::kNotPresent};
    }
    return FateOfResident(*mapping, *entry, destination);
  }

  Fate FateOfResident(const FakeMapping& mapping, const FakePage& entry,
                      int destination) {
    const FakeFolio& folio = *entry.folio;
    const bool protected_page = entry.numa_hint || mapping.inaccessible();
    const bool hidden = kernel_.behaviour.hides_protected && protected_page;
    if (folio.zero && (!hidden || frames_visible_)) {
      return {Outcome::kFailed, Reason::kZeroPage};
    }
    if (hidden && mapping.inaccessible()) {
      return {Outcome::kFailed, Reason::kUnsupported};
    }
    if (hidden && (folio.mappers > 1 || folio.zero)) {
      return {Outcome::kFailed, Reason::kNumaHint};
    }
    if (folio.node == destination) {
      return {Outcome::kAlreadyPlaced, Reason::kNone, hidden};
    }
    if (frames_visible_ && folio.writeback && parameters_.mode != Mode::kSync) {
      return {Outcome::kFailed, Reason::kWriteback};
    }
    if (frames_visible_ && folio.locked && parameters_.mode == Mode::kAsync) {
      return {Outcome::kFailed, Reason::kLocked};
    }
    if (folio.mappers > 1 && !parameters_.move_shared) {
      return {Outcome::kFailed, Reason::kShared};
    }
    if (folio.lru == Lru::kIsolated) return {Outcome::kFailed, Reason::kBusy};
    if (folio.pinned) {
      return {Outcome::kFailed,
              frames_visible_ ? Reason::kPinned : Reason::kBusy};
    }
    return {};
  }

  std::map<uint64_t, Fate> FatesOf(const PageList& pages) {
    std::map<uint64_t, Fate> fates;
    for (const core::PlacedRun& placed : pages.runs()) {
      const int node = pages.placements()[placed.placement].nodes[0].value();
      for (uint64_t i = 0; i < placed.run.pages; ++i) {
        const uint64_t page = placed.run.start.page_number() + i;
        fates[page] = FateOf(page, node);
      }
    }
    return fates;
  }

  bool frames_visible_ = true;
  std::mt19937 random_;
};

void RandomMachine::ExpectEveryPageToMeetItsFate() {
  const PageList pages = SomePages();
  const std::map<uint64_t, Fate> fates = FatesOf(pages);
  const std::map<uint64_t, int> places = Places();
  Migrate(pages);
  uint64_t companions = 0;
  for (const auto& [page, node] : places) {
    const auto fate = fates.find(page);
    const bool moved = process_->NodeOf(page) != node;
    if (fate == fates.end()) {
      if (moved) ++companions;
      continue;
    }
    if (!fate->second.covered) {
      EXPECT_EQ(OutcomeOf(page), fate->second.outcome) << page;
    }
    EXPECT_EQ(ReasonOf(page), fate->second.reason) << page;
    if (moved) {
      EXPECT_EQ(OutcomeOf(page), Outcome::kMoved) << page;
    }
  }
  if (frames_visible_) {
    EXPECT_EQ(summary_.companion_pages, companions);
    if (parameters_.mode == Mode::kAsync) {
      EXPECT_EQ(kernel_.memory.waits, 0);
    }
  }
  EXPECT_THAT(kernel_.copied, IsEmpty());
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

void RandomMachine::ExpectDryRunToForesee() {
  parameters_.validate_only = true;
  const PageList pages = SomePages();
  const std::map<uint64_t, Fate> fates = FatesOf(pages);
  const std::map<uint64_t, int> places = Places();
  Migrate(pages);
  for (const auto& [page, fate] : fates) {
    const Outcome outcome = OutcomeOf(page);
    if (fate.covered) continue;
    if (fate.outcome == Outcome::kAlreadyPlaced) {
      EXPECT_EQ(outcome, Outcome::kAlreadyPlaced) << page;
    }
    if (fate.outcome == Outcome::kMoved) {
      EXPECT_EQ(outcome, Outcome::kWouldMove) << page;
    }
    if (outcome == Outcome::kFailed) {
      EXPECT_EQ(fate.outcome, Outcome::kFailed) << page;
    }
  }
  EXPECT_EQ(Places(), places);
  EXPECT_THAT(kernel_.moves, IsEmpty());
  EXPECT_THAT(kernel_.touched, IsEmpty());
  EXPECT_EQ(kernel_.memory.waits, 0);
}

void RandomMachine::ExpectTruthWithLittleRoom() {
  kernel_.behaviour.huge_shortage_is_failure = Chance(50);
  for (const int node : {1, 2}) {
    kernel_.memory.node(node).free_pages = Below(1500);
    kernel_.memory.node(node).low_watermark_pages = Below(300);
  }
  const std::map<uint64_t, int> places = Places();
  Migrate(SomePages());
  if (!frames_visible_) return;
  uint64_t moved = 0;
  for (const auto& [page, node] : places) {
    if (process_->NodeOf(page) != node) ++moved;
  }
  // Those that were hidden on their destination count as moved, too.
  EXPECT_GE(summary_.moved_pages + summary_.companion_pages, moved);
  if (parameters_.mode != Mode::kSync) {
    EXPECT_EQ(kernel_.memory.reclaims, 0);
  }
}

void RandomMachine::ExpectTruthWhileThingsChange() {
  std::vector<FakeFolio*> small;
  for (const auto& [page, entry] : process_->pages) {
    if (entry.folio != nullptr && entry.folio->pages == 1) {
      small.push_back(entry.folio);
    }
  }
  const auto stir = [&](int) {
    for (int i = 0; i < 20 && !small.empty(); ++i) {
      FakeFolio* folio = small[Below(small.size())];
      if (Chance(30)) folio->pinned = !folio->pinned;
      if (Chance(30)) folio->locked = !folio->locked;
      if (Chance(30)) folio->writeback = !folio->writeback;
      if (Chance(10)) folio->mappers = 3 - folio->mappers;
      if (Chance(10)) folio->lru = Lru::kIsolated;
      if (Chance(10)) folio->lru = Lru::kOnList;
    }
    if (Chance(3)) control_.RequestStop(core::StopReason::kCancelled);
    if (Chance(2)) process_->access_denied = true;
    if (Chance(2) && !process_->exited) kernel_.Exit(kPid);
  };
  kernel_.before_move = stir;
  kernel_.after_move = stir;
  Migrate(SomePages());
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

template <typename Check>
void ForManySeeds(Check check) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    RandomMachine machine(seed);
    (machine.*check)();
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(RandomTest, EveryPageMeetsItsFateAndIsReportedTruthfully) {
  ForManySeeds(&RandomMachine::ExpectEveryPageToMeetItsFate);
}

TEST(RandomTest, ADryRunForeseesEveryPageAndTouchesNone) {
  ForManySeeds(&RandomMachine::ExpectDryRunToForesee);
}

TEST(RandomTest, WithLittleRoomResultsStillAgreeWithPlaces) {
  ForManySeeds(&RandomMachine::ExpectTruthWithLittleRoom);
}

TEST(RandomTest, WhateverChangesMeanwhileEveryPageIsReportedOnce) {
  ForManySeeds(&RandomMachine::ExpectTruthWhileThingsChange);
}

}  // namespace
}  // namespace pageferry::kernel
