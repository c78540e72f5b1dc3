// That the checks of the other tests can fail: each invariant is broken here on
// purpose, is named, and holds again when the damage is mended.

#include "tests/server/model/invariants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "server/model/buffers.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr uint64_t kAnonymous = 0x10;
constexpr uint64_t kFile = 0x20;

constexpr absl::string_view kMachine = R"pb(
  nodes { id: 0 capacity_pages: 64 }
  nodes { id: 1 capacity_pages: 64 }
  files {
    name: 'f'
    pages: 2
    placements { node: 0 }
    migrate: MIGRATE_OPERATION_BUFFER
    private_data: true
  }
  processes {
    pid: 10
    regions {
      start_address: 0x10000
      pages: 4
      placements { node: 0 }
    }
    regions {
      start_address: 0x20000
      pages: 2
      kind: REGION_KIND_FILE
      source: 'f'
    }
  }
)pb";

// With somebody who keeps page 0x11 busy.
std::string WithFault(absl::string_view kind) {
  return absl::StrCat(kMachine, "page_faults { kind: PAGE_FAULT_KIND_", kind,
                      " pid: 10 address: 0x11000 }");
}

class InvariantsTest : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_THAT(BrokenInvariantsAtRest(world()), IsEmpty());
  }

  World& world() { return model_.backend->world(); }
  Page& PageAt(uint64_t page_number) {
    const EntrySlot slot = model_.space(10).page_table().Find(page_number);
    return model_.machine().memory.PageOf(slot.Read().pfn());
  }
  std::atomic<uint64_t>& EntryAt(uint64_t page_number) {
    return *model_.space(10).page_table().Find(page_number).entry;
  }
  void ExpectNamed(absl::string_view complaint) {
    EXPECT_THAT(BrokenInvariants(world()),
                Contains(HasSubstr(std::string(complaint))));
    EXPECT_THAT(BrokenInvariantsAtRest(world()),
                Contains(HasSubstr(std::string(complaint))));
  }

  TestModel model_{kMachine};
};

TEST_F(InvariantsTest, NamesAMigrationEntryThatWasLeftBehind) {
  Page& page = PageAt(kAnonymous);
  const uint64_t entry =
      EntryAt(kAnonymous).exchange(Entry::Migration(page.pfn, 0).bits());
  ExpectNamed("page 16: migration entry left behind");
  ExpectNamed("has map count 1 and 0 mappings");
  EntryAt(kAnonymous).store(entry);
}

TEST_F(InvariantsTest, NamesAnEntryThatWasFlushedAndNotReplaced) {
  EntryAt(kAnonymous).fetch_or(Entry::kFlushing);
  ExpectNamed("page 16: migration entry left behind");
  EntryAt(kAnonymous).fetch_and(~Entry::kFlushing);
}

TEST_F(InvariantsTest, NamesAnAccessThatNeverEnded) {
  EntryAt(kAnonymous).fetch_add(Entry::kOneAccess);
  ExpectNamed("page 16: access left behind");
  EntryAt(kAnonymous).fetch_sub(Entry::kOneAccess);
}

TEST_F(InvariantsTest, NamesAReferenceTooManyAndOneTooFew) {
  Page& page = PageAt(kAnonymous);
  page.Get();
  ExpectNamed("has 2 references, 1 are accounted for");
  page.reference_count.store(0);
  ExpectNamed("has 0 references, 1 are accounted for");
  page.reference_count.store(1);
}

TEST_F(InvariantsTest, NamesAMapCountThatDoesNotMatchThePageTables) {
  PageAt(kFile).map_count.fetch_add(1);
  ExpectNamed("has map count 2 and 1 mappings");
  PageAt(kFile).map_count.fetch_sub(1);
}

TEST_F(InvariantsTest, NamesAFrameWithTwoOwners) {
  const uint64_t entry = EntryAt(kAnonymous + 1);
  EntryAt(kAnonymous + 1).store(EntryAt(kAnonymous));
  ExpectNamed("has map count 1 and 2 mappings");
  ExpectNamed("is not free and nobody's");
  EntryAt(kAnonymous + 1).store(entry);
}

TEST_F(InvariantsTest, NamesAFrameThatNobodyOwns) {
  Page* const page = model_.machine().memory.Allocate(core::NodeId(1), 1);
  page->Set(PageFlag::kLru);
  ExpectNamed("is not free and nobody's");
  model_.machine().memory.Put(*page);
}

TEST_F(InvariantsTest, NamesAFrameThatIsMappedAndFree) {
  Page* const page = model_.machine().memory.Allocate(core::NodeId(1), 1);
  const uint64_t entry = EntryAt(kAnonymous);
  EntryAt(kAnonymous).store(Entry::Present(page->pfn, 0).bits());
  model_.machine().memory.Put(*page);
  ExpectNamed("is mapped and free");
  EntryAt(kAnonymous).store(entry);
}

TEST_F(InvariantsTest, NamesAPageThatItsReverseMapDoesNotFind) {
  PageAt(kAnonymous).index += 1;
  ExpectNamed("is mapped where its reverse map is not");
  PageAt(kAnonymous).index -= 1;
}

TEST_F(InvariantsTest, NamesAPageThatIsNotInItsSlot) {
  Mapping& file = *world().files().at("f");
  file.Remove(0, PageAt(kFile));
  ExpectNamed("is not in the slot that it says");
  file.Insert(0, PageAt(kFile));
  PageAt(kFile).reference_count.fetch_sub(1);  // Remove() had left it to us
}

TEST_F(InvariantsTest, NamesBuffersThatDescribeAnotherPage) {
  PageAt(kFile).buffers->set_page(&PageAt(kFile + 1));
  ExpectNamed("has buffers of another page");
  PageAt(kFile).buffers->set_page(&PageAt(kFile));
}

TEST_F(InvariantsTest, NamesALockThatNobodyHolds) {
  WaitTable::TryLockPage(PageAt(kAnonymous));
  ExpectNamed("is locked by nobody");
  model_.machine().waits.UnlockPage(PageAt(kAnonymous));
}

TEST_F(InvariantsTest, NamesAPageThatIsOnNoList) {
  PageAt(kAnonymous).Clear(PageFlag::kLru);
  ExpectNamed("is on no list");
  PageAt(kAnonymous).Set(PageFlag::kLru);
}

TEST_F(InvariantsTest, NamesAPageThatIsIsolatedAndOnAList) {
  PageAt(kAnonymous).Set(PageFlag::kIsolated);
  PageAt(kAnonymous).Get();
  ExpectNamed("is on a list and taken off it");
  PageAt(kAnonymous).Clear(PageFlag::kIsolated);
  model_.machine().memory.Put(PageAt(kAnonymous));
}

// There is no way to mend this one.
TEST(InvariantsOfNodesTest, AFrameThatWasFreedTwiceIsNamed) {
  TestModel model(kMachine);
  Page* const page = model.machine().memory.Allocate(core::NodeId(1), 1);
  model.machine().memory.Put(*page);
  model.machine().memory.arena(core::NodeId(1))->Free(page, 1);
  EXPECT_THAT(BrokenInvariants(model.backend->world()),
              Contains("node 1: 65 free and 0 used of 64 frames"));
}

TEST_F(InvariantsTest, AnIsolatedPageIsInOrderBetweenPassesAndNotAtRest) {
  Page& page = PageAt(kAnonymous);
  page.Clear(PageFlag::kLru);
  page.Set(PageFlag::kIsolated);
  page.Get();
  EXPECT_THAT(BrokenInvariants(world()), IsEmpty());
  EXPECT_THAT(BrokenInvariantsAtRest(world()),
              Contains(HasSubstr("is isolated")));
  page.Clear(PageFlag::kIsolated);
  page.Set(PageFlag::kLru);
  model_.machine().memory.Put(page);
}

class HeldTest : public testing::TestWithParam<const char*> {};

TEST_P(HeldTest, WhatAHoldDoesIsAccountedForUntilItEnds) {
  TestModel model(WithFault(GetParam()));
  World& world = model.backend->world();
  EXPECT_THAT(BrokenInvariants(world), IsEmpty());
  EXPECT_THAT(BrokenInvariantsAtRest(world), Contains(HasSubstr("goes on")));
  world.faults().EndAllHolds();
  EXPECT_THAT(BrokenInvariantsAtRest(world), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(Holds, HeldTest,
                         testing::Values("LOCK", "WRITEBACK", "PIN", "ISOLATE",
                                         "NUMA_HINT", "ANOTHER_WRITER"),
                         [](const auto& kind) {
                           return std::string(kind.param);
                         });

TEST_F(InvariantsTest, ALockThatAHoldShouldHaveIsMissed) {
  TestModel model(WithFault("LOCK"));
  const EntrySlot slot = model.space(10).page_table().Find(0x11);
  Page& page = model.machine().memory.PageOf(slot.Read().pfn());
  page.Clear(PageFlag::kLocked);
  EXPECT_THAT(BrokenInvariants(model.backend->world()),
              Contains(HasSubstr("is not locked though it is held")));
}

}  // namespace
}  // namespace pageferry::model
