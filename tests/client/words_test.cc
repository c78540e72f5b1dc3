#include "client/cli/words.h"

#include "gtest/gtest.h"

namespace pageferry::client::cli {
namespace {

TEST(WordTest, DropsThePrefixOfItsEnumeration) {
  EXPECT_EQ(Word(v1::PAGE_REASON_NOT_PRESENT), "NOT_PRESENT");
  EXPECT_EQ(Word(v1::MIGRATE_MODE_SYNC_LIGHT), "SYNC_LIGHT");
  EXPECT_EQ(Word(v1::ERROR_REASON_NOT_READY), "NOT_READY");
}

TEST(WordTest, GivesTheNumberOfUnknownValues) {
  EXPECT_EQ(Word(static_cast<v1::PageReason>(77)), "77");
}

TEST(MeaningTest, EveryReasonOfTheContractHasOne) {
  for (int i = 1; i <= v1::PageReason_MAX; ++i) {
    EXPECT_FALSE(Meaning(static_cast<v1::PageReason>(i)).empty()) << i;
  }
  for (int i = 1; i <= v1::ErrorReason_MAX; ++i) {
    EXPECT_FALSE(Advice(static_cast<v1::ErrorReason>(i)).empty()) << i;
  }
  EXPECT_TRUE(Meaning(static_cast<v1::PageReason>(77)).empty());
  EXPECT_TRUE(Advice(static_cast<v1::ErrorReason>(77)).empty());
}

TEST(BytesTextTest, ChoosesTheUnit) {
  EXPECT_EQ(BytesText(0), "0 B");
  EXPECT_EQ(BytesText(1023), "1023 B");
  EXPECT_EQ(BytesText(4096), "4.0 KiB");
  EXPECT_EQ(BytesText((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(BytesText(uint64_t{3} << 29), "1.5 GiB");
  EXPECT_EQ(BytesText(UINT64_MAX), "16384.0 PiB");
}

TEST(DurationTest, SurvivesTheTripThroughProtobuf) {
  for (const absl::Duration duration :
       {absl::ZeroDuration(), absl::Nanoseconds(1), absl::Milliseconds(1500),
        absl::Hours(30)}) {
    EXPECT_EQ(ToDuration(ToProto(duration)), duration);
  }
}

TEST(DurationTest, TextKeepsWhatAPersonReads) {
  EXPECT_EQ(DurationText(absl::ZeroDuration()), "0");
  EXPECT_EQ(DurationText(absl::Nanoseconds(12'345'678)), "12.3ms");
  EXPECT_EQ(DurationText(absl::Nanoseconds(1'999'999'999)), "1.9s");
}

TEST(TargetTextTest, NamesEveryKind) {
  v1::Target target;
  EXPECT_EQ(TargetText(target), "-");
  target.mutable_process()->set_pid(3);
  EXPECT_EQ(TargetText(target), "process 3");
  target.set_cgroup("/a/b");
  EXPECT_EQ(TargetText(target), "cgroup /a/b");
  target.set_pod_uid("u");
  EXPECT_EQ(TargetText(target), "pod u");
  target.mutable_container()->set_pod("p");
  EXPECT_EQ(TargetText(target), "container /p/");
}

TEST(NodesTextTest, JoinsNodes) {
  google::protobuf::RepeatedField<int32_t> nodes;
  EXPECT_EQ(NodesText(nodes), "-");
  nodes.Add(0);
  nodes.Add(2);
  EXPECT_EQ(NodesText(nodes), "0,2");
}

}  // namespace
}  // namespace pageferry::client::cli
