#include "server/core/page_list.h"

#include <random>
#include <set>
#include <utility>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pageferry::core {
namespace {

constexpr uint64_t kPage = kPageBytes;

Placement To(int32_t node) { return {{NodeId(node)}}; }

PageList Build(PageList::Builder builder) {
  absl::optional<PlacementConflict> conflict;
  PageList list = std::move(builder).Build(&conflict);
  EXPECT_FALSE(conflict.has_value());
  return list;
}

TEST(PageListTest, RoundsAddressesDownToTheirPage) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddAddress(VirtualAddress(5 * kPage + 17));
  const PageList list = Build(std::move(builder));
  ASSERT_EQ(list.runs().size(), 1u);
  EXPECT_EQ(list.runs()[0].run.start, VirtualAddress(5 * kPage));
  EXPECT_EQ(list.page_count(), 1u);
}

TEST(PageListTest, CollapsesDuplicatesAndOverlaps) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(0), 10);
  builder.AddRange(VirtualAddress(5 * kPage), 10);
  builder.AddAddress(VirtualAddress(3 * kPage));
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(12 * kPage), 4);
  EXPECT_EQ(Build(std::move(builder)).page_count(), 16u);
}

TEST(PageListTest, OrdersByPlacementThenAddress) {
  PageList::Builder builder;
  builder.StartEntry(To(2));
  builder.AddAddress(VirtualAddress(9 * kPage));
  builder.StartEntry(To(1));
  builder.AddAddress(VirtualAddress(1 * kPage));
  builder.StartEntry(To(2));
  builder.AddAddress(VirtualAddress(3 * kPage));
  const PageList list = Build(std::move(builder));
  ASSERT_EQ(list.runs().size(), 3u);
  EXPECT_EQ(list.runs()[0].run.start.page_number(), 3u);
  EXPECT_EQ(list.runs()[1].run.start.page_number(), 9u);
  EXPECT_EQ(list.runs()[2].run.start.page_number(), 1u);
  EXPECT_EQ(list.placements().size(), 2u);
}

TEST(PageListTest, NamesTheAddressThatIsAskedToTwoDestinations) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(0), 10);
  builder.StartEntry(To(2));
  builder.AddAddress(VirtualAddress(7 * kPage));
  absl::optional<PlacementConflict> conflict;
  const PageList list = std::move(builder).Build(&conflict);
  ASSERT_TRUE(conflict.has_value());
  EXPECT_EQ(conflict->address, VirtualAddress(7 * kPage));
  EXPECT_EQ(conflict->first_entry, 0u);
  EXPECT_EQ(conflict->second_entry, 1u);
  EXPECT_EQ(list.page_count(), 0u);
}

TEST(PageListTest, DifferentFallbackListsAreDifferentPlacements) {
  PageList::Builder builder;
  builder.StartEntry({{NodeId(1), NodeId(2)}});
  builder.AddAddress(VirtualAddress(0));
  builder.StartEntry({{NodeId(1)}});
  builder.AddAddress(VirtualAddress(0));
  absl::optional<PlacementConflict> conflict;
  std::move(builder).Build(&conflict);
  EXPECT_TRUE(conflict.has_value());
}

TEST(PageListTest, ReachesTheEndOfTheAddressSpace) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(~uint64_t{0} - kPage + 1), 1);
  builder.AddAddress(VirtualAddress(~uint64_t{0}));
  const PageList list = Build(std::move(builder));
  EXPECT_EQ(list.page_count(), 1u);
  EXPECT_EQ(list.PagesWithin({VirtualAddress(~uint64_t{0} - kPage + 1), 1}),
            1u);
}

TEST(PageListTest, CountsRequestedPagesWithinAFolio) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(510 * kPage), 4);
  builder.AddAddress(VirtualAddress(1023 * kPage));
  builder.AddAddress(VirtualAddress(1024 * kPage));
  const PageList list = Build(std::move(builder));
  EXPECT_EQ(list.PagesWithin({VirtualAddress(512 * kPage), 512}), 3u);
  EXPECT_EQ(list.PagesWithin({VirtualAddress(2048 * kPage), 512}), 0u);
}

TEST(PageListTest, AFolioGoesWhereTheFirstEntryThatNamesItSendsIt) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddAddress(VirtualAddress(0));
  builder.StartEntry(To(2));
  builder.AddAddress(VirtualAddress(600 * kPage));
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(512 * kPage), 10);
  const PageList list = Build(std::move(builder));
  const auto placement =
      list.PlacementOfFolio({VirtualAddress(512 * kPage), 512});
  ASSERT_TRUE(placement.has_value());
  EXPECT_EQ(list.placements()[*placement], To(2));
  EXPECT_FALSE(
      list.PlacementOfFolio({VirtualAddress(4096 * kPage), 512}).has_value());
}

TEST(PageListTest, OverlapsKeepTheEntryThatNamedEachPageFirst) {
  PageList::Builder builder;
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(0), 10);
  builder.StartEntry(To(2));
  builder.AddAddress(VirtualAddress(600 * kPage));
  builder.StartEntry(To(1));
  builder.AddRange(VirtualAddress(5 * kPage), 590);  // entry 2, up to page 594
  const PageList list = Build(std::move(builder));
  const auto placement =
      list.PlacementOfFolio({VirtualAddress(512 * kPage), 512});
  ASSERT_TRUE(placement.has_value());
  EXPECT_EQ(list.placements()[*placement], To(2));
  EXPECT_EQ(list.page_count(), 596u);
}

// Random batches of one destination against a plain set.
TEST(PageListTest, HoldsExactlyThePagesThatWereNamed) {
  for (uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    PageList::Builder builder;
    std::set<uint64_t> expected;
    for (int entry = 0; entry < 4; ++entry) {
      builder.StartEntry(To(1));
      for (int i = 0; i < 5; ++i) {
        const uint64_t first = random() % 100;
        const uint64_t count = 1 + random() % 20;
        builder.AddRange(VirtualAddress::OfPage(first), count);
        for (uint64_t page = 0; page < count; ++page) {
          expected.insert(first + page);
        }
      }
    }
    const PageList list = Build(std::move(builder));
    std::set<uint64_t> actual;
    for (const PlacedRun& placed : list.runs()) {
      for (uint64_t i = 0; i < placed.run.pages; ++i) {
        EXPECT_TRUE(actual.insert(placed.run.start.page_number() + i).second);
      }
    }
    EXPECT_EQ(actual, expected) << "seed " << seed;
    EXPECT_EQ(list.page_count(), expected.size());
  }
}

}  // namespace
}  // namespace pageferry::core
