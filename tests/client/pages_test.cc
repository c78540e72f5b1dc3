#include "client/cli/pages.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pageferry::client::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

std::string MessageOf(const absl::Status& status) {
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  return std::string(status.message());
}

TEST(ParseAddressTest, TakesHexadecimalAndDecimalAndRoundsDown) {
  EXPECT_EQ(*ParseAddress("0x1000"), (PageRun{1, 1}));
  EXPECT_EQ(*ParseAddress("0X1fff"), (PageRun{1, 1}));
  EXPECT_EQ(*ParseAddress("8192"), (PageRun{2, 1}));
  EXPECT_EQ(*ParseAddress("0xffffffffffffffff"), (PageRun{0xfffffffffffff, 1}));
}

TEST(ParseAddressTest, RefusesEverythingElseByName) {
  for (const char* text : {"", "x", "-1", "0x", "1000h", "7f00", "0x1 0x2",
                           "0x10000000000000000"}) {
    EXPECT_THAT(MessageOf(ParseAddress(text).status()), HasSubstr(text));
  }
}

TEST(ParseRangeTest, TakesStartAndPages) {
  EXPECT_EQ(*ParseRange("0x1800:3"), (PageRun{1, 3}));
  EXPECT_EQ(*ParseRange("4096:0x10"), (PageRun{1, 16}));
}

TEST(ParseRangeTest, RefusesEmptyAndEndlessRanges) {
  for (const char* text :
       {"0x1000", "0x1000:", ":1", "0x1000:0", "0x1000:-1", "0x1000:2:3",
        "0xfffffffffffff000:2", "0x1000:0xffffffffffffffff"}) {
    EXPECT_THAT(MessageOf(ParseRange(text).status()), HasSubstr(text));
  }
  EXPECT_EQ(ParseRange("0xfffffffffffff000:1")->page_count, 1);
}

TEST(ReadPageListTest, SkipsCommentsAndEmptyLines) {
  std::istringstream input(
      "# hot pages\n\n0x1000\r\n  0x2000:2 # a range\n8192");
  EXPECT_THAT(*ReadPageList("list", input),
              ElementsAre(PageRun{1, 1}, PageRun{2, 2}, PageRun{2, 1}));
}

TEST(ReadPageListTest, NamesTheLineThatIsWrong) {
  std::istringstream input("0x1000\n# fine\n0x2000:many\n");
  EXPECT_EQ(MessageOf(ReadPageList("list", input).status()),
            "list:3: \"0x2000:many\" is not a range (START:PAGES)");
}

TEST(ReadPagesTest, JoinsAllSourcesAndNamesEachPageOnce) {
  std::istringstream input("0x5000\n0x1000:2\n");
  PageArguments arguments;
  arguments.ranges = {"0x2000:2"};
  arguments.addresses = {"0x5001", "0x9000"};
  arguments.file = "-";
  EXPECT_THAT(*ReadPages(arguments, input),
              ElementsAre(PageRun{1, 3}, PageRun{5, 1}, PageRun{9, 1}));
}

TEST(ReadPagesTest, ReadsANamedFile) {
  std::string name =
      (std::filesystem::temp_directory_path() / "pages.XXXXXX").string();
  const int file = mkstemp(name.data());
  ASSERT_GE(file, 0);
  std::ofstream(name) << "0x3000:3\n";
  std::istringstream unused;
  PageArguments arguments;
  arguments.file = name;
  EXPECT_THAT(*ReadPages(arguments, unused), ElementsAre(PageRun{3, 3}));
  std::filesystem::remove(name);
  EXPECT_THAT(MessageOf(ReadPages(arguments, unused).status()),
              HasSubstr(name + ": No such file"));
}

TEST(ReadPagesTest, RefusesListsWithoutAPage) {
  std::istringstream input("# nothing today\n");
  PageArguments arguments;
  arguments.file = "-";
  EXPECT_EQ(MessageOf(ReadPages(arguments, input).status()),
            "no page is named");
}

TEST(NormalizeTest, SortsAndMergesWhatTouchesOrOverlaps) {
  EXPECT_THAT(Normalize({{8, 1}, {1, 4}, {2, 1}, {5, 1}, {9, 1}, {20, 2}}),
              ElementsAre(PageRun{1, 5}, PageRun{8, 2}, PageRun{20, 2}));
  EXPECT_EQ(CountPages(Normalize({{1, 2}, {1, 3}})), 3);
}

TEST(SplitPagesTest, SinglePagesTravelAsAddresses) {
  const auto chunks = SplitPages({{1, 1}, {3, 2}, {9, 1}});
  ASSERT_EQ(chunks.size(), 1);
  EXPECT_THAT(chunks[0].ranges, ElementsAre(PageRun{3, 2}));
  EXPECT_THAT(chunks[0].addresses, ElementsAre(0x1000, 0x9000));
  EXPECT_EQ(chunks[0].page_count, 4);
}

TEST(SplitPagesTest, CutsRangesAtThePageLimit) {
  RequestLimits limits;
  limits.pages = 10;
  const auto chunks = SplitPages({{0, 4}, {100, 25}}, limits);
  ASSERT_EQ(chunks.size(), 3);
  EXPECT_THAT(chunks[0].ranges, ElementsAre(PageRun{0, 4}, PageRun{100, 6}));
  EXPECT_THAT(chunks[1].ranges, ElementsAre(PageRun{106, 10}));
  EXPECT_THAT(chunks[2].ranges, ElementsAre(PageRun{116, 9}));
}

TEST(SplitPagesTest, CountsRangesButNotAddresses) {
  RequestLimits limits;
  limits.ranges = 2;
  const auto chunks =
      SplitPages({{0, 2}, {4, 2}, {8, 1}, {12, 2}, {16, 1}}, limits);
  ASSERT_EQ(chunks.size(), 2);
  EXPECT_EQ(chunks[0].page_count, 5);
  EXPECT_EQ(chunks[1].page_count, 3);
}

TEST(SplitPagesTest, FullRequestsOfEveryKindAreWithinFourMebibytes) {
  std::vector<PageRun> scattered;
  for (uint64_t i = 0; i < 600'000; ++i) {
    scattered.push_back({0xffff'0000'0000 + i * 2, 1});
  }
  std::vector<PageRun> pairs;
  for (uint64_t i = 0; i < 600'000; ++i) {
    pairs.push_back({0xffff'0000'0000 + i * 3, 2});
  }
  for (const auto& runs : {scattered, pairs}) {
    uint64_t pages = 0;
    for (const PageChunk& chunk : SplitPages(runs)) {
      v1::MigratePagesRequest request;
      request.set_request_id(std::string(64, 'x'));
      chunk.AppendTo(request.add_batches());
      EXPECT_LE(request.ByteSizeLong(), 4 * 1024 * 1024);
      EXPECT_LE(request.batches(0).ranges_size(), 65'536);
      pages += chunk.page_count;
    }
    EXPECT_EQ(pages, CountPages(runs));
  }
}

}  // namespace
}  // namespace pageferry::client::cli
