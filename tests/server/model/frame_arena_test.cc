#include "server/model/frame_arena.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <thread>
#include <vector>

#include "server/model/memory.h"

namespace pageferry::model {
namespace {

using core::kHugePagePages;
using core::NodeId;
using core::PageFrameNumber;

std::unique_ptr<FrameArena> MakeArena(uint64_t capacity_pages) {
  return *FrameArena::Create(NodeId(3), PageFrameNumber(1000), capacity_pages);
}

TEST(FrameArenaTest, HandsOutEachFrameOnceUntilItIsFull) {
  const auto arena = MakeArena(700);
  std::set<Page*> pages;
  for (int i = 0; i < 700; ++i) pages.insert(arena->Allocate(1));
  EXPECT_EQ(pages.size(), 700u);
  EXPECT_EQ(pages.count(nullptr), 0u);
  EXPECT_EQ(arena->free_pages(), 0u);
  EXPECT_EQ(arena->Allocate(1), nullptr);
}

TEST(FrameArenaTest, PagesKnowTheirNumberNodeAndMemory) {
  const auto arena = MakeArena(4);
  Page* const first = arena->Allocate(1);
  Page* const second = arena->Allocate(1);
  EXPECT_EQ(first->pfn, PageFrameNumber(1000));
  EXPECT_EQ(second->pfn, PageFrameNumber(1001));
  EXPECT_EQ(first->node, NodeId(3));
  EXPECT_EQ(second->frame - first->frame,
            static_cast<ptrdiff_t>(core::kPageBytes));
  EXPECT_EQ(&arena->page(1), second);
}

TEST(FrameArenaTest, HugeBlocksAreAlignedAndNeedWholeBlocks) {
  const auto arena = MakeArena(3 * kHugePagePages);
  Page* const single = arena->Allocate(1);
  EXPECT_EQ(single->pfn.value(), 1000u);
  Page* const huge = arena->Allocate(kHugePagePages);
  ASSERT_NE(huge, nullptr);
  EXPECT_EQ((huge->pfn.value() - 1000) % kHugePagePages, 0u);
  EXPECT_NE(arena->Allocate(kHugePagePages), nullptr);
  // The block that is left is broken.
  EXPECT_EQ(arena->Allocate(kHugePagePages), nullptr);
  arena->Free(single, 1);
  EXPECT_NE(arena->Allocate(kHugePagePages), nullptr);
}

TEST(FrameArenaTest, ALastBlockThatIsTooShortServesSingleFrames) {
  const auto arena = MakeArena(kHugePagePages + 100);
  EXPECT_EQ(arena->Allocate(1)->pfn.value(), 1000u + kHugePagePages);
  EXPECT_NE(arena->Allocate(kHugePagePages), nullptr);
  EXPECT_EQ(arena->Allocate(kHugePagePages), nullptr);
  EXPECT_EQ(arena->free_pages(), 99u);
}

TEST(FrameArenaTest, SingleFramesComeFromBrokenBlocksFirst) {
  const auto arena = MakeArena(2 * kHugePagePages);
  for (uint32_t i = 0; i < kHugePagePages; ++i) arena->Allocate(1);
  EXPECT_NE(arena->Allocate(kHugePagePages), nullptr);
}

TEST(FrameArenaTest, FreedFramesAreFreeAndComeBack) {
  const auto arena = MakeArena(8);
  Page* const page = arena->Allocate(1);
  EXPECT_FALSE(arena->IsFree(0));
  arena->Free(page, 1);
  EXPECT_TRUE(arena->IsFree(0));
  EXPECT_EQ(arena->free_pages(), 8u);
  EXPECT_EQ(arena->Allocate(1), page);
}

TEST(FrameArenaTest, SameCallsGiveTheSameFrames) {
  const auto run = [] {
    const auto arena = MakeArena(1024);
    std::vector<uint64_t> frames;
    std::vector<Page*> pages;
    for (int i = 0; i < 300; ++i) {
      pages.push_back(arena->Allocate(1));
      if (i % 3 == 0) {
        arena->Free(pages[i / 2], 1);
        pages[i / 2] = arena->Allocate(1);
      }
      frames.push_back(pages.back()->pfn.value());
    }
    return frames;
  };
  EXPECT_EQ(run(), run());
}

TEST(FrameArenaTest, ManyThreadsShareItWithoutSharingFrames) {
  const auto arena = MakeArena(4096);
  std::vector<std::vector<Page*>> pages(4);
  std::vector<std::thread> threads;
  for (auto& mine : pages) {
    threads.emplace_back([&arena, &mine] {
      for (int i = 0; i < 1024; ++i) {
        mine.push_back(arena->Allocate(1));
        if (i % 4 == 0) {
          arena->Free(mine.back(), 1);
          mine.pop_back();
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::set<Page*> all;
  for (const auto& mine : pages) all.insert(mine.begin(), mine.end());
  EXPECT_EQ(all.size(), 4u * 768);
  EXPECT_EQ(arena->free_pages(), 4096u - 4 * 768);
}

TEST(MemoryTest, AFrameIsFreeAgainWithTheLastReference) {
  Memory memory;
  ASSERT_TRUE(memory.AddNode(NodeId(0), 16).ok());
  Page* const page = memory.Allocate(NodeId(0), 1);
  page->Get();
  page->Set(PageFlag::kDirty);
  memory.Put(*page);
  EXPECT_EQ(memory.arena(NodeId(0))->free_pages(), 15u);
  memory.Put(*page);
  EXPECT_EQ(memory.arena(NodeId(0))->free_pages(), 16u);
  EXPECT_EQ(page->flags.load(), 0u);
}

TEST(MemoryTest, TailsOfAHugePageNameTheirHeadWhileItLives) {
  Memory memory;
  ASSERT_TRUE(memory.AddNode(NodeId(2), 1024).ok());
  Page* const head = memory.Allocate(NodeId(2), kHugePagePages);
  head->Set(PageFlag::kHugetlb);
  Page& tail = memory.PageOf(PageFrameNumber(head->pfn.value() + 17));
  EXPECT_EQ(tail.head.load(), head);
  memory.Put(*head);
  EXPECT_EQ(tail.head.load(), &tail);
  EXPECT_EQ(memory.arena(NodeId(2))->free_pages(), 1024u);
}

TEST(MemoryTest, NodesThatDoNotExistHaveNoMemory) {
  Memory memory;
  EXPECT_EQ(memory.arena(NodeId(1)), nullptr);
  EXPECT_EQ(memory.Allocate(NodeId(1), 1), nullptr);
}

TEST(PageTest, FreezingSucceedsOnlyWithExactlyTheExpectedReferences) {
  Page page;
  page.reference_count = 2;
  EXPECT_FALSE(page.FreezeReferences(1));
  EXPECT_FALSE(page.FreezeReferences(3));
  EXPECT_EQ(page.references(), 2);
  EXPECT_TRUE(page.FreezeReferences(2));
  EXPECT_EQ(page.references(), 0);
  page.UnfreezeReferences(1);
  EXPECT_EQ(page.references(), 1);
}

TEST(PageTest, FlagsSayWhetherTheyWereSetBefore) {
  Page page;
  EXPECT_FALSE(page.TestAndSet(PageFlag::kLocked));
  EXPECT_TRUE(page.TestAndSet(PageFlag::kLocked));
  EXPECT_FALSE(page.Has(PageFlag::kDirty));
  EXPECT_TRUE(page.TestAndClear(PageFlag::kLocked));
  EXPECT_FALSE(page.TestAndClear(PageFlag::kLocked));
}

TEST(PageTest, AHugePageIsOneFolioOf512Pages) {
  Page page;
  EXPECT_EQ(page.folio_pages(), 1u);
  page.Set(PageFlag::kThp);
  EXPECT_EQ(page.folio_pages(), 512u);
  EXPECT_EQ(page.folio_bytes(), 2u << 20);
}

}  // namespace
}  // namespace pageferry::model
