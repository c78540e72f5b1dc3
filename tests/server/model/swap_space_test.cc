#include "server/model/swap_space.h"

#include <gtest/gtest.h>

#include <array>

#include "server/model/memory.h"

namespace pageferry::model {
namespace {

constexpr uint64_t kWords = core::kPageBytes / sizeof(uint64_t);
using Words = std::array<uint64_t, kWords>;

uint8_t* Bytes(Words& words) {
  return reinterpret_cast<uint8_t*>(words.data());
}

class SwapSpaceTest : public testing::Test {
 protected:
  SwapSpace swap_;
};

TEST_F(SwapSpaceTest, ASlotGivesBackWhatWasWritten) {
  Words words;
  for (uint64_t i = 0; i < kWords; ++i) words[i] = i * i;
  const Words written = words;
  const uint64_t slot = swap_.WriteOut(Bytes(words));
  // What is in swap is a copy.
  words.fill(7);
  Words read = {};
  swap_.ReadIn(slot, Bytes(read));
  EXPECT_EQ(read, written);
}

TEST_F(SwapSpaceTest, SlotsAreApartAndNeverZero) {
  Words one;
  one.fill(1);
  Words two;
  two.fill(2);
  const uint64_t slot_of_one = swap_.WriteOut(Bytes(one));
  const uint64_t slot_of_two = swap_.WriteOut(Bytes(two));
  EXPECT_NE(slot_of_one, slot_of_two);
  // A slot's number is what is left of an entry, and an entry of 0 is empty.
  EXPECT_NE(slot_of_one, 0u);
  swap_.Free(slot_of_one);
  Words read = {};
  swap_.ReadIn(slot_of_two, Bytes(read));
  EXPECT_EQ(read, two);
}

TEST_F(SwapSpaceTest, TheCacheHoldsItsPagesBySlotWithAReference) {
  Memory memory;
  ASSERT_TRUE(memory.AddNode(core::NodeId(0), 2).ok());
  Page& first = *memory.Allocate(core::NodeId(0), 1);
  Page& second = *memory.Allocate(core::NodeId(0), 1);
  swap_.AddToCache(first);
  swap_.AddToCache(second);
  EXPECT_TRUE(first.Has(PageFlag::kSwapCache));
  EXPECT_EQ(first.references(), 2);
  EXPECT_NE(first.swap_slot, second.swap_slot);
  EXPECT_TRUE(swap_.cache().Holds(first.swap_slot, first));
  EXPECT_FALSE(swap_.cache().Holds(second.swap_slot, first));
  // The cache's pages have no slot's content of their own.
  Words words = {};
  const uint64_t slot = swap_.WriteOut(Bytes(words));
  EXPECT_EQ(swap_.cache().GetPage(slot), nullptr);
}

TEST_F(SwapSpaceTest, TheCachePagesMoveByThePlainOperation) {
  EXPECT_EQ(swap_.cache().operations().migrate, MigrateOperation::kPlain);
}

}  // namespace
}  // namespace pageferry::model
