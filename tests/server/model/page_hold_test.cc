// What somebody else can do to a page, and that it is undone in the end.

#include "server/model/page_hold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "server/model/buffers.h"
#include "server/model/look.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using testing::IsEmpty;

constexpr uint64_t kAnonymous = 0x10;
constexpr uint64_t kBuffered = 0x20;
constexpr uint64_t kNetwork = 0x30;
constexpr uint64_t kBalloon = 0x40;

class PageHoldTest : public testing::Test {
 protected:
  void TearDown() override {
    EXPECT_THAT(BrokenInvariantsAtRest(model_.backend->world()), IsEmpty());
  }

  AddressSpace& space() { return model_.space(10); }
  Page* PageAt(uint64_t number) {
    Page* page = nullptr;
    LookAt(space(), number, [&](const PageView& view) { page = view.page; });
    return page;
  }
  std::unique_ptr<PageHold> Hold(PageFaultKind kind, uint64_t number) {
    return PageHold::Create(kind, model_.machine(), space(), number, nullptr);
  }
  void Happen(PageFaultKind kind, uint64_t number) {
    Page& page = *PageAt(number);
    page.Get();
    HappenTo(kind, model_.machine(), space(), number, page);
    model_.machine().memory.Put(page);
  }
  uint64_t FreePages() {
    return model_.machine().memory.arena(core::NodeId(0))->free_pages();
  }

  TestModel model_{R"pb(
                     nodes { id: 0 capacity_pages: 64 }
                     files {
                       name: 'b'
                       pages: 2
                       placements { node: 0 }
                       migrate: MIGRATE_OPERATION_BUFFER
                       private_data: true
                     }
                     files {
                       name: 'n'
                       pages: 2
                       placements { node: 0 }
                       migrate: MIGRATE_OPERATION_NETWORK
                     }
                     balloons {
                       name: 'o'
                       pages: 2
                       placements { node: 0 }
                     }
                     processes {
                       pid: 10
                       regions {
                         start_address: 0x10000
                         pages: 2
                         placements { node: 0 }
                       }
                       regions {
                         start_address: 0x20000
                         pages: 2
                         kind: REGION_KIND_FILE
                         source: 'b'
                       }
                       regions {
                         start_address: 0x30000
                         pages: 2
                         kind: REGION_KIND_FILE
                         source: 'n'
                       }
                       regions {
                         start_address: 0x40000
                         pages: 2
                         kind: REGION_KIND_BALLOON
                         source: 'o'
                       }
                     }
                     processes {
                       pid: 11
                       regions {
                         start_address: 0x90000
                         pages: 2
                         kind: REGION_KIND_FILE
                         source: 'b'
                       }
                     }
                   )pb"};
};

// A hold that shows in the flags of the page while it lasts.
struct FlagCase {
  PageFaultKind kind;
  uint64_t page;
  PageFlag flag;
  bool while_held;
};

TEST_F(PageHoldTest, AHoldLastsAsLongAsItLives) {
  const FlagCase cases[] = {
      {PageFaultKind::kLock, kAnonymous, PageFlag::kLocked, true},
      {PageFaultKind::kWriteback, kAnonymous, PageFlag::kWriteback, true},
      {PageFaultKind::kRequestInFlight, kNetwork, PageFlag::kPrivate, true},
      {PageFaultKind::kAnotherWriter, kBuffered, PageFlag::kWriteClaimed, true},
      {PageFaultKind::kIsolate, kAnonymous, PageFlag::kLru, false},
  };
  for (const FlagCase& flag_case : cases) {
    SCOPED_TRACE(static_cast<int>(flag_case.kind));
    Page& page = *PageAt(flag_case.page);
    EXPECT_NE(page.Has(flag_case.flag), flag_case.while_held);
    auto hold = Hold(flag_case.kind, flag_case.page);
    ASSERT_NE(hold, nullptr);
    EXPECT_EQ(hold->kind(), flag_case.kind);
    EXPECT_EQ(hold->page(), &page);
    EXPECT_EQ(page.Has(flag_case.flag), flag_case.while_held);
    // Only one can have it.
    EXPECT_EQ(Hold(flag_case.kind, flag_case.page), nullptr);
    EXPECT_EQ(page.Has(flag_case.flag), flag_case.while_held);
    hold.reset();
    EXPECT_NE(page.Has(flag_case.flag), flag_case.while_held);
  }
}

TEST_F(PageHoldTest, PinsAddUp) {
  Page& page = *PageAt(kAnonymous);
  auto first = Hold(PageFaultKind::kPin, kAnonymous);
  auto second = Hold(PageFaultKind::kPin, kAnonymous);
  EXPECT_EQ(page.references(), 3);
  first.reset();
  EXPECT_EQ(page.references(), 2);
}

TEST_F(PageHoldTest, APinKeepsAPageThatItsProcessDrops) {
  Page& page = *PageAt(kAnonymous);
  auto pin = Hold(PageFaultKind::kPin, kAnonymous);
  space().Zap(kAnonymous);
  EXPECT_EQ(page.references(), 1);
  const uint64_t free_pages = FreePages();
  pin.reset();
  EXPECT_EQ(FreePages(), free_pages + 1);
}

TEST_F(PageHoldTest, ABufferLockIsOneBuffersOfThePages) {
  const auto hold = Hold(PageFaultKind::kBufferLock, kBuffered);
  EXPECT_TRUE(PageAt(kBuffered)->buffers->AnyLocked());
  EXPECT_FALSE(PageAt(kBuffered + 1)->buffers->AnyLocked());
}

TEST_F(PageHoldTest, AWriterLeavesThePageClean) {
  Page& page = *PageAt(kBuffered);
  page.Set(PageFlag::kDirty);
  auto hold = Hold(PageFaultKind::kAnotherWriter, kBuffered);
  EXPECT_TRUE(page.Has(PageFlag::kDirty));
  hold.reset();
  EXPECT_FALSE(page.Has(PageFlag::kDirty));
}

TEST_F(PageHoldTest, ABusyBalloonIsBusyForAllItsPages) {
  const auto balloon =
      std::static_pointer_cast<Balloon>(PageAt(kBalloon)->mapping);
  auto hold = Hold(PageFaultKind::kBalloonLock, kBalloon);
  Page& new_page = *model_.machine().memory.Allocate(core::NodeId(0), 1);
  EXPECT_EQ(balloon->Migrate(*PageAt(kBalloon + 1), new_page),
            Balloon::Exchange::kLockBusy);
  model_.machine().memory.Put(new_page);
}

TEST_F(PageHoldTest, AHintHidesThePageUntilTheHoldEnds) {
  const auto entry = [&] {
    return space().page_table().Find(kAnonymous).Read();
  };
  auto hold = Hold(PageFaultKind::kNumaHint, kAnonymous);
  EXPECT_TRUE(entry().Has(Entry::kNumaHint));
  hold.reset();
  EXPECT_FALSE(entry().Has(Entry::kNumaHint));
  EXPECT_TRUE(entry().Has(Entry::kAccessible));
}

TEST_F(PageHoldTest, PagesOfTheWrongKindCannotBeHeldSo) {
  EXPECT_EQ(Hold(PageFaultKind::kBufferLock, kAnonymous), nullptr);
  EXPECT_EQ(Hold(PageFaultKind::kRequestInFlight, kBuffered), nullptr);
  EXPECT_EQ(Hold(PageFaultKind::kBalloonLock, kAnonymous), nullptr);
  EXPECT_EQ(Hold(PageFaultKind::kIsolate, kBalloon), nullptr);
  EXPECT_EQ(Hold(PageFaultKind::kLock, 0x99), nullptr);  // nothing is there
  EXPECT_EQ(Hold(PageFaultKind::kUnmap, kAnonymous), nullptr);  // no hold
}

// Holds that show in the page's flags.
constexpr PageFaultKind kFlagKinds[] = {
    PageFaultKind::kLock, PageFaultKind::kWriteback, PageFaultKind::kIsolate,
    PageFaultKind::kAnotherWriter};

TEST_F(PageHoldTest, TheEndOfAHoldDoesNotTouchTheFramesNextPage) {
  for (PageFaultKind kind : kFlagKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    Page* const page = PageAt(kAnonymous);
    auto hold = Hold(kind, kAnonymous);
    ASSERT_NE(hold, nullptr);
    space().Zap(kAnonymous);
    ASSERT_EQ(space().Store(core::VirtualAddress::OfPage(kAnonymous), 1),
              Access::kDone);
    ASSERT_EQ(PageAt(kAnonymous), page);
    EXPECT_EQ(hold->page(), nullptr);
    const uint32_t flags = page->flags;
    hold.reset();
    EXPECT_EQ(page->flags, flags);
  }
}

TEST_F(PageHoldTest, TheEndOfAHoldLeavesAFreeFrameWithoutFlags) {
  for (PageFaultKind kind : kFlagKinds) {
    SCOPED_TRACE(static_cast<int>(kind));
    Page* const page = PageAt(kAnonymous);
    auto hold = Hold(kind, kAnonymous);
    space().Zap(kAnonymous);
    hold.reset();
    EXPECT_EQ(page->flags, 0u);
    ASSERT_EQ(space().Store(core::VirtualAddress::OfPage(kAnonymous), 1),
              Access::kDone);
  }
}

TEST_F(PageHoldTest, UnmappingDropsThePage) {
  const uint64_t free_pages = FreePages();
  Happen(PageFaultKind::kUnmap, kAnonymous);
  EXPECT_EQ(PageAt(kAnonymous), nullptr);
  EXPECT_EQ(FreePages(), free_pages + 1);
}

TEST_F(PageHoldTest, TruncatingTakesThePageFromAllWhoMapItAndFromTheCache) {
  const uint64_t free_pages = FreePages();
  Happen(PageFaultKind::kTruncate, kBuffered);
  EXPECT_EQ(PageAt(kBuffered), nullptr);
  EXPECT_FALSE(NodeOf(model_, 0x90, 11).known());
  EXPECT_TRUE(NodeOf(model_, 0x91, 11).known());
  EXPECT_EQ(FreePages(), free_pages + 1);
}

TEST_F(PageHoldTest, TruncatingLeavesAnOrphanWhereABufferIsBusy) {
  Page& page = *PageAt(kBuffered);
  page.Get();
  auto hold = Hold(PageFaultKind::kBufferLock, kBuffered);
  Happen(PageFaultKind::kTruncate, kBuffered);
  EXPECT_EQ(page.mapping, nullptr);
  EXPECT_TRUE(page.Has(PageFlag::kPrivate));
  EXPECT_EQ(page.references(), 2);  // the buffers' and ours
  hold.reset();
  page.buffers.reset();
  page.Clear(PageFlag::kPrivate);
  model_.machine().memory.Put(page, 2);
}

TEST_F(PageHoldTest, ALockedPageIsNotTruncated) {
  auto hold = Hold(PageFaultKind::kLock, kBuffered);
  Page* const page = PageAt(kBuffered);
  Happen(PageFaultKind::kTruncate, kBuffered);
  EXPECT_EQ(PageAt(kBuffered), page);
}

TEST_F(PageHoldTest, AnotherPageInTheSlotHasTheSameContent) {
  Mapping& file = *model_.backend->world().files().at("n");
  Page& old_page = *PageAt(kNetwork);
  Happen(PageFaultKind::kReplaceSlot, kNetwork);
  EXPECT_FALSE(file.Holds(0, old_page));
  Page* const new_page = file.GetPage(0);
  ASSERT_NE(new_page, nullptr);
  EXPECT_NE(new_page, &old_page);
  EXPECT_EQ(LoadWord(new_page->frame, 8), LoadWord(old_page.frame, 8));
  // Mended: the old one gets its slot back, and what was the cache's
  // reference of it stays that.
  ASSERT_TRUE(file.Remove(0, *new_page));
  model_.machine().memory.Put(*new_page, 2);
  ASSERT_TRUE(file.Insert(0, old_page));
  model_.machine().memory.Put(old_page);
}

}  // namespace
}  // namespace pageferry::model
