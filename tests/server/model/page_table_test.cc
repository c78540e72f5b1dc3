#include "server/model/page_table.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace pageferry::model {
namespace {

using core::PageFrameNumber;

TEST(PageTableTest, HasNoSlotsWhereNothingWasMapped) {
  PageTable table;
  EXPECT_FALSE(table.Find(0));
  EXPECT_FALSE(table.Find(PageTable::kPages - 1));
  table.FindOrCreate(512);
  EXPECT_TRUE(table.Find(513));  // the same lowest table
  EXPECT_FALSE(table.Find(511));
  EXPECT_FALSE(table.Find(1024));
}

TEST(PageTableTest, KeepsEntriesApartAtEveryLevel) {
  PageTable table;
  std::vector<uint64_t> numbers;
  for (int shift : {0, 9, 18, 27}) {
    for (uint64_t index : {1, 255, 511}) {
      const uint64_t number = index << shift;
      if (number < PageTable::kPages) numbers.push_back(number);
    }
  }
  for (uint64_t number : numbers) {
    LockedEntry entry(table, number, LockedEntry::kCreateMissing);
    entry.Set(Entry::Present(PageFrameNumber(number & 0xFFFFFF), 0));
  }
  for (uint64_t number : numbers) {
    EXPECT_EQ(table.Find(number).Read().number(), number & 0xFFFFFF);
  }
}

TEST(PageTableTest, AHugeEntryStandsForAll512Pages) {
  PageTable table;
  table.PmdOf(1024).huge =
      Entry::Present(PageFrameNumber(77), Entry::kWrite).bits();
  for (uint64_t number : {1024, 1100, 1535}) {
    const EntrySlot slot = table.Find(number);
    EXPECT_TRUE(slot.huge);
    EXPECT_EQ(slot.Read().pfn(), PageFrameNumber(77));
  }
  EXPECT_FALSE(table.Find(1536));
  EXPECT_TRUE(LockedEntry(table, 1200).huge());
}

TEST(EntryTest, KindsExcludeEachOther) {
  const Entry present = Entry::Present(PageFrameNumber(5), Entry::kWrite);
  EXPECT_TRUE(present.present());
  EXPECT_TRUE(present.maps_page());
  EXPECT_EQ(present.pfn(), PageFrameNumber(5));
  const Entry migration =
      Entry::Migration(PageFrameNumber(6), Entry::kSoftDirty);
  EXPECT_FALSE(migration.present());
  EXPECT_TRUE(migration.Has(Entry::kMigration));
  EXPECT_TRUE(migration.Has(Entry::kSoftDirty));
  EXPECT_FALSE(migration.Has(Entry::kWrite));
  const Entry swap = Entry::Swap(99, 0);
  EXPECT_FALSE(swap.maps_page());
  EXPECT_EQ(swap.number(), 99u);
  EXPECT_TRUE(Entry().empty());
  EXPECT_FALSE(Entry(Entry::kPresent | Entry::kZeroPage).maps_page());
}

TEST(EntryTest, TheCountOfAccessesTouchesNothingElse) {
  const Entry entry = Entry::Present(PageFrameNumber(Entry::kNumberMask), 0);
  const Entry in_use(entry.bits() + 3 * Entry::kOneAccess);
  EXPECT_FALSE(entry.in_access());
  EXPECT_TRUE(in_use.in_access());
  EXPECT_EQ(in_use.pfn(), entry.pfn());
}

TEST(LockedEntryTest, IsEmptyWhereNoTableIs) {
  PageTable table;
  EXPECT_FALSE(LockedEntry(table, 5));
  EXPECT_TRUE(LockedEntry(table, 5, LockedEntry::kCreateMissing));
  EXPECT_TRUE(LockedEntry(table, 5));
}

TEST(LockedEntryTest, FlushingWaitsForTheAccessesUnderWay) {
  PageTable table;
  const EntrySlot slot = table.FindOrCreate(9);
  slot.entry->store(Entry::Present(PageFrameNumber(4), Entry::kWrite).bits() +
                    Entry::kOneAccess);
  std::atomic<bool> flushed{false};
  std::thread flusher([&] {
    LockedEntry entry(table, 9);
    const Entry old = entry.ClearAndFlush();
    flushed = true;
    EXPECT_TRUE(old.Has(Entry::kDirty));
    EXPECT_TRUE(old.present());
    entry.Set(Entry::Migration(old.pfn(), 0));
  });
  // The flusher makes the entry unusable at once.
  while (slot.Read().present()) std::this_thread::yield();
  EXPECT_FALSE(flushed.load());
  // The access sets the dirty bit, as hardware does, and ends.
  slot.entry->fetch_or(Entry::kDirty);
  slot.entry->fetch_sub(Entry::kOneAccess);
  flusher.join();
  EXPECT_TRUE(flushed.load());
  EXPECT_TRUE(slot.Read().Has(Entry::kMigration));
}

TEST(LockedEntryTest, UpdatesBitsWhileAccessesGoOn) {
  PageTable table;
  const EntrySlot slot = table.FindOrCreate(9);
  slot.entry->store(
      Entry::Present(PageFrameNumber(4), Entry::kNumaHint).bits());
  std::thread accessor([&slot] {
    for (int i = 0; i < 10000; ++i) {
      slot.entry->fetch_add(Entry::kOneAccess);
      slot.entry->fetch_sub(Entry::kOneAccess);
    }
  });
  for (int i = 0; i < 1000; ++i) {
    LockedEntry entry(table, 9);
    entry.Update(Entry::kNumaHint, Entry::kAccessible);
    entry.Update(Entry::kAccessible, Entry::kNumaHint);
  }
  accessor.join();
  EXPECT_EQ(slot.Read().bits(),
            Entry::Present(PageFrameNumber(4), Entry::kNumaHint).bits());
}

TEST(PageTableTest, ThreadsThatMakeTheSameTableAgreeOnIt) {
  for (int round = 0; round < 50; ++round) {
    PageTable table;
    std::vector<std::atomic<uint64_t>*> slots(4);
    std::vector<std::thread> threads;
    for (auto& slot : slots) {
      threads.emplace_back(
          [&table, &slot] { slot = table.FindOrCreate(123456789).entry; });
    }
    for (std::thread& thread : threads) thread.join();
    for (auto* slot : slots) EXPECT_EQ(slot, slots[0]);
  }
}

}  // namespace
}  // namespace pageferry::model
