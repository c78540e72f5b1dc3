#include "server/core/reasons.h"

#include <cerrno>
#include <set>
#include <string>

#include "gtest/gtest.h"

namespace pageferry::core {
namespace {

TEST(ReasonsTest, EveryReasonHasANameOfItsOwn) {
  std::set<std::string> names;
  for (int i = 0; i < kReasonCount; ++i) {
    names.insert(std::string(ReasonName(static_cast<Reason>(i))));
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(kReasonCount));
  EXPECT_EQ(ReasonName(static_cast<Reason>(200)), "UNSPECIFIED");
}

TEST(ReasonsTest, PageFailuresHaveAnErrnoAndStopsHaveNone) {
  EXPECT_EQ(ErrnoOfReason(Reason::kShared), EACCES);
  EXPECT_EQ(ErrnoOfReason(Reason::kNotPresent), ENOENT);
  EXPECT_EQ(ErrnoOfReason(Reason::kNotMapped), EFAULT);
  EXPECT_EQ(ErrnoOfReason(Reason::kBusy), EBUSY);
  for (Reason reason : {Reason::kNone, Reason::kCancelled, Reason::kTimeBudget,
                        Reason::kDraining, Reason::kAborted}) {
    EXPECT_EQ(ErrnoOfReason(reason), 0) << ReasonName(reason);
  }
}

TEST(ReasonsTest, AStopGivesItsReasonToPages) {
  EXPECT_EQ(ReasonOfStop(StopReason::kCancelled), Reason::kCancelled);
  EXPECT_EQ(ReasonOfStop(StopReason::kDraining), Reason::kDraining);
  EXPECT_EQ(ReasonOfStop(StopReason::kCompleted), Reason::kNone);
}

}  // namespace
}  // namespace pageferry::core
