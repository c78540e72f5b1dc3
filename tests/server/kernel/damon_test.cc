// How DAMON is taken, proved, used and given back.

#include "server/kernel/damon.h"

#include <cerrno>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::kernel {
namespace {

using core::NodeId;
using core::PageFrameNumber;
using ::testing::AllOf;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::Pair;
using ::testing::SizeIs;

class DamonTest : public ::testing::Test {
 protected:
  DamonTest() : kernel_(&clock_), control_(&clock_, absl::InfiniteDuration()) {
    kernel_.memory.AddNode(0, 1000);
    kernel_.memory.AddNode(1, 1000);
    for (int i = 0; i < 64; ++i) folios_.push_back(kernel_.memory.Place(0));
    extents_ = {{PageFrameNumber(folios_[0]->head), 40},
                {PageFrameNumber(folios_[50]->head), 10}};
  }

  absl::Status Move(std::function<bool()> still_right = [] { return true; }) {
    return damon_.Move(NodeId(1), extents_, still_right, control_);
  }

  int OnNode1() {
    int count = 0;
    for (const FakeFolio* folio : folios_) count += folio->node == 1 ? 1 : 0;
    return count;
  }

  void Set(absl::string_view name, absl::string_view value) {
    ASSERT_EQ(
        kernel_.damon.Write(absl::StrCat(FakeDamon::kRoot, "/", name), value),
        0)
        << name;
  }

  std::string Get(absl::string_view name) {
    return kernel_.damon.Read(absl::StrCat(FakeDamon::kRoot, "/", name))
        .value_or("none");
  }

  // A slot with the marks of a Pageferry.
  void LeaveSlotOf(int32_t pid, uint64_t start_time_ticks) {
    Set("nr_kdamonds", "1");
    Set("0/contexts/nr_contexts", "1");
    Set("0/contexts/0/schemes/nr_schemes", "1");
    const std::string marks = "0/contexts/0/schemes/0/watermarks/";
    Set(marks + "high", absl::StrCat(pid));
    Set(marks + "mid", absl::StrCat(start_time_ticks));
    Set(marks + "interval_us", "8097867290196144754");  // "pageferr"
  }

  core::FakeClock clock_;
  FakeKernel kernel_;
  core::MigrationControl control_;
  std::vector<FakeFolio*> folios_;
  std::vector<PhysicalExtent> extents_;
  Damon damon_{&kernel_, "/proc", "/sys"};
};

TEST_F(DamonTest, MovesWhatIsInTheExtentsAndNothingElse) {
  damon_.Prepare();
  ASSERT_TRUE(damon_.available().ok()) << damon_.available();
  EXPECT_EQ(kernel_.damon.migrations, 0) << "the proof must move nothing";
  ASSERT_TRUE(Move().ok());
  EXPECT_EQ(OnNode1(), 50);
  EXPECT_EQ(folios_[40]->node, 0);
  EXPECT_EQ(folios_[49]->node, 0);
  EXPECT_EQ(folios_[60]->node, 0);
}

TEST_F(DamonTest, GivesDamonBack) {
  damon_.Prepare();
  EXPECT_EQ(Get("nr_kdamonds"), "0");
  ASSERT_TRUE(Move().ok());
  EXPECT_EQ(Get("nr_kdamonds"), "0");
  EXPECT_FALSE(kernel_.damon.running());
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

class WhoeverDies : public DamonTest,
                    public ::testing::WithParamInterface<QuotasCount> {};

TEST_P(WhoeverDies, ASchemeIsAppliedOnce) {
  kernel_.damon.quotas = GetParam();
  damon_.Prepare();
  // The machine as a daemon leaves it that is killed before the first round.
  absl::optional<FakeDamon> left;
  kernel_.damon.before_round = [&] {
    if (!left.has_value()) left.emplace(kernel_.damon);
  };
  ASSERT_TRUE(Move().ok());
  kernel_.damon.before_round = nullptr;
  ASSERT_TRUE(left.has_value());
  ASSERT_TRUE(left->running());
  left->before_round = nullptr;
  for (int round = 0; round < 1000; ++round) left->Round();
  EXPECT_THAT(left->tried, AllOf(SizeIs(50), Each(Pair(::testing::_, 1))));
}

INSTANTIATE_TEST_SUITE_P(Quotas, WhoeverDies,
                         ::testing::Values(QuotasCount::kFromFirstWindow,
                                           QuotasCount::kFromSecondWindow));

TEST_F(DamonTest, AKernelWhoseQuotasDoNotCountIsNotUsed) {
  kernel_.damon.quotas = QuotasCount::kNever;
  damon_.Prepare();
  EXPECT_TRUE(absl::IsUnimplemented(damon_.available()));
  EXPECT_FALSE(damon_.may_be_had());
  EXPECT_FALSE(Move().ok());
  EXPECT_EQ(kernel_.damon.migrations, 0);
  EXPECT_EQ(Get("nr_kdamonds"), "0");
}

TEST_F(DamonTest, AKernelWithoutTheActionIsNotUsed) {
  kernel_.damon.knows_migrate_cold = false;
  damon_.Prepare();
  EXPECT_THAT(std::string(damon_.available().message()), HasSubstr("action"));
  EXPECT_FALSE(damon_.may_be_had());
  EXPECT_EQ(Get("nr_kdamonds"), "0");
}

TEST_F(DamonTest, WithoutDamonOrTheRightToWriteThereIsNone) {
  kernel_.damon.writable = false;
  damon_.Prepare();
  EXPECT_TRUE(absl::IsPermissionDenied(damon_.available()));
  EXPECT_FALSE(damon_.may_be_had());
  kernel_.damon.Remove();
  Damon other(&kernel_, "/proc", "/sys");
  other.Prepare();
  EXPECT_TRUE(absl::IsNotFound(other.available()));
}

TEST_F(DamonTest, WhatAnotherHasWrittenDownStays) {
  Set("nr_kdamonds", "1");
  Set("0/contexts/nr_contexts", "1");
  Set("0/contexts/0/targets/nr_targets", "1");
  damon_.Prepare();
  EXPECT_TRUE(absl::IsUnavailable(damon_.available()));
  EXPECT_TRUE(damon_.may_be_had());
  EXPECT_TRUE(absl::IsUnavailable(Move()));
  EXPECT_EQ(Get("nr_kdamonds"), "1");
  EXPECT_EQ(Get("0/contexts/0/targets/nr_targets"), "1");
  EXPECT_EQ(kernel_.damon.generation(), 1);
}

TEST_F(DamonTest, IsUsedOnceAnotherHasGivenItBack) {
  Set("nr_kdamonds", "2");
  damon_.Prepare();
  EXPECT_TRUE(absl::IsUnavailable(Move()));
  Set("nr_kdamonds", "0");
  EXPECT_TRUE(Move().ok());
  EXPECT_TRUE(damon_.available().ok());
  EXPECT_EQ(OnNode1(), 50);
}

TEST_F(DamonTest, IsNotHadBesideDamonsOwnModules) {
  damon_.Prepare();
  kernel_.damon.module_runs = true;
  EXPECT_TRUE(absl::IsUnavailable(Move()));
  EXPECT_EQ(OnNode1(), 0);
  EXPECT_EQ(Get("nr_kdamonds"), "0");
}

TEST_F(DamonTest, NothingMovesWhenThePagesHaveChanged) {
  damon_.Prepare();
  EXPECT_TRUE(absl::IsAborted(Move([] { return false; })));
  EXPECT_EQ(kernel_.damon.migrations, 0);
  EXPECT_EQ(Get("nr_kdamonds"), "0");
}

TEST_F(DamonTest, WhoTakesDamonInBetweenKeepsIt) {
  damon_.Prepare();
  EXPECT_TRUE(absl::IsAborted(Move([this] {
    Set("nr_kdamonds", "1");
    Set("0/contexts/nr_contexts", "1");
    return true;
  })));
  EXPECT_EQ(OnNode1(), 0);
  EXPECT_EQ(Get("nr_kdamonds"), "1");
  EXPECT_EQ(Get("0/contexts/nr_contexts"), "1");
}

TEST_F(DamonTest, OneMigrationAtATime) {
  damon_.Prepare();
  absl::Status second;
  EXPECT_TRUE(Move([&] {
                second = Move();
                return true;
              }).ok());
  EXPECT_TRUE(absl::IsUnavailable(second));
  EXPECT_EQ(kernel_.damon.migrations, 1);
}

TEST_F(DamonTest, WhatADeadPageferryLeftIsRemoved) {
  LeaveSlotOf(/*pid=*/77, /*start_time_ticks=*/5);
  Set("0/state", "on");
  damon_.Prepare();
  EXPECT_FALSE(kernel_.damon.running());
  EXPECT_EQ(Get("nr_kdamonds"), "0");
  EXPECT_TRUE(damon_.available().ok()) << damon_.available();
}

TEST_F(DamonTest, APidThatAnotherHasNowDoesNotKeepIt) {
  kernel_.AddProcess(77, /*start_time_ticks=*/1000);
  LeaveSlotOf(77, /*start_time_ticks=*/5);
  damon_.Prepare();
  EXPECT_EQ(Get("nr_kdamonds"), "0");
}

TEST_F(DamonTest, WhatALivingPageferryUsesStays) {
  kernel_.AddProcess(77, /*start_time_ticks=*/1000);
  LeaveSlotOf(77, /*start_time_ticks=*/1000);
  Set("0/state", "on");
  damon_.Prepare();
  EXPECT_TRUE(absl::IsUnavailable(damon_.available()));
  EXPECT_TRUE(kernel_.damon.running());
  EXPECT_EQ(Get("nr_kdamonds"), "1");
}

TEST_F(DamonTest, ASlotThatHoldsNothingIsFree) {
  Set("nr_kdamonds", "1");
  Set("0/contexts/nr_contexts", "1");
  damon_.Prepare();
  EXPECT_TRUE(damon_.available().ok()) << damon_.available();
}

}  // namespace
}  // namespace pageferry::kernel
