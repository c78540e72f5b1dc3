// A wait that a migration is in when it is told to stop is cut short, whatever
// it waits for and whoever stops it; and the page is as before.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::Reason;
using core::StopReason;
using testing::IsEmpty;

// In the slice of a wait with this number, from 1, somebody says stop.
constexpr int kSliceOfTheStop = 3;

// A clock on which waits take no time, and which asks for a stop in one.
class StoppingClock final : public core::Clock {
 public:
  void StopWith(core::MigrationControl* control, StopReason reason) {
    control_ = control;
    reason_ = reason;
  }
  int waits() const { return waits_; }

  absl::Duration Monotonic() const override { return clock_.Monotonic(); }
  absl::Time WallTime() const override { return clock_.WallTime(); }
  void WaitFor(core::Mutex* mutex, core::CondVar* condition,
               absl::Duration timeout) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    clock_.WaitFor(mutex, condition, timeout);
    if (++waits_ != kSliceOfTheStop || control_ == nullptr) return;
    if (reason_ == StopReason::kTimeBudget) {
      clock_.Advance(absl::Hours(1));
    } else {
      control_->RequestStop(reason_);
    }
  }

 private:
  core::FakeClock clock_;
  core::MigrationControl* control_ = nullptr;
  StopReason reason_ = StopReason::kNone;
  int waits_ = 0;
};

// Something that a forced pass of SYNC waits for, for ever.
struct WaitCase {
  const char* name;
  const char* scenario;
  uint64_t page = 16;
};

constexpr WaitCase kWaits[] = {
    {"PageLock", R"pb(
       processes {
         pid: 10
         regions {
           start_address: 0x10000
           pages: 1
           placements { node: 0 }
         }
       }
       page_faults { kind: PAGE_FAULT_KIND_LOCK pid: 10 address: 0x10000 }
     )pb"},
    {"Writeback", R"pb(
       processes {
         pid: 10
         regions {
           start_address: 0x10000
           pages: 1
           placements { node: 0 }
         }
       }
       page_faults { kind: PAGE_FAULT_KIND_WRITEBACK pid: 10 address: 0x10000 }
     )pb"},
    {"WritebackOfItsOwn", R"pb(
       files {
         name: 'f'
         pages: 1
         placements { node: 0 }
         migrate: MIGRATE_OPERATION_NONE
         write_latency_ms: 86400000
         dirty: true
       }
       processes {
         pid: 10
         regions {
           start_address: 0x10000
           pages: 1
           kind: REGION_KIND_FILE
           source: 'f'
         }
       }
     )pb"},
    {"BufferLock", R"pb(
       files {
         name: 'f'
         pages: 1
         placements { node: 0 }
         migrate: MIGRATE_OPERATION_BUFFER
         private_data: true
       }
       processes {
         pid: 10
         regions {
           start_address: 0x10000
           pages: 1
           kind: REGION_KIND_FILE
           source: 'f'
         }
       }
       page_faults {
         kind: PAGE_FAULT_KIND_BUFFER_LOCK
         pid: 10
         address: 0x10000
       }
     )pb"},
    {"HugetlbLock", R"pb(
       processes {
         pid: 10
         regions {
           start_address: 0x200000
           pages: 512
           kind: REGION_KIND_HUGETLB
           placements { node: 0 }
         }
       }
       page_faults { kind: PAGE_FAULT_KIND_LOCK pid: 10 address: 0x200000 }
     )pb",
     512},
};

struct StopCase {
  const char* name;
  StopReason stop;
  Reason reason;
};

constexpr StopCase kStops[] = {
    {"Cancel", StopReason::kCancelled, Reason::kCancelled},
    {"Drain", StopReason::kDraining, Reason::kDraining},
    {"Deadline", StopReason::kTimeBudget, Reason::kTimeBudget},
};

class StoppingWaitTest
    : public testing::TestWithParam<std::tuple<WaitCase, StopCase>> {
 protected:
  StoppingWaitTest()
      : wait_(std::get<0>(GetParam())), stop_(std::get<1>(GetParam())) {}

  const WaitCase wait_;
  const StopCase stop_;
  StoppingClock clock_;
  TestModel model_{absl::StrCat("nodes { id: 0 capacity_pages: 1536 }"
                                "nodes { id: 1 capacity_pages: 1536 }",
                                wait_.scenario),
                   &clock_};
};

TEST_P(StoppingWaitTest, IsCutShortAndLeavesThePageAsItWas) {
  const uint64_t entry =
      model_.space(10).page_table().Find(wait_.page).Read().bits();
  core::MigrationControl control(&clock_, absl::Minutes(1));
  clock_.StopWith(&control, stop_.stop);

  const Observed observed =
      Migrate(model_, Move({Pages(wait_.page)}, Mode::kSync), &control);

  // Not one slice more.
  EXPECT_EQ(clock_.waits(), kSliceOfTheStop);
  EXPECT_EQ(observed.summary.stop_reason, stop_.stop);
  const core::SettledRun& page = observed.pages.at(wait_.page);
  EXPECT_EQ(page.outcome, Outcome::kNotAttempted);
  EXPECT_EQ(page.reason, stop_.reason);
  EXPECT_EQ(NodeOf(model_, wait_.page), NodeId(0));
  EXPECT_EQ(model_.space(10).page_table().Find(wait_.page).Read().bits(),
            entry);
  model_.backend->world().faults().EndAllHolds();
  EXPECT_THAT(BrokenInvariantsAtRest(model_.backend->world()), IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(EveryWait, StoppingWaitTest,
                         testing::Combine(testing::ValuesIn(kWaits),
                                          testing::ValuesIn(kStops)),
                         [](const auto& cell) {
                           return absl::StrCat(std::get<0>(cell.param).name,
                                               "_",
                                               std::get<1>(cell.param).name);
                         });

}  // namespace
}  // namespace pageferry::model
