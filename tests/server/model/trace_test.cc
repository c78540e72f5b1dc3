// What a migration leaves in the counters and in the trace.

#include "server/model/trace.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "absl/strings/str_cat.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Mode;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(TraceRingTest, KeepsTheLastRecords) {
  TraceRing ring;
  for (uint64_t i = 0; i < TraceRing::kCapacity + 5; ++i) {
    ring.Add({i, 0, Mode::kSync});
  }
  const auto records = ring.Read();
  ASSERT_EQ(records.size(), TraceRing::kCapacity);
  EXPECT_EQ(records.front().succeeded, 5u);
  EXPECT_EQ(records.back().succeeded, TraceRing::kCapacity + 4);
}

class TraceTest : public testing::Test {
 protected:
  // 64 base pages at 16, hugetlb pages at 512, a transparent huge page at 2048.
  void Make(absl::string_view more = "") {
    model_ = std::make_unique<TestModel>(absl::StrCat(
        R"pb(
          nodes { id: 0 capacity_pages: 4096 }
          nodes { id: 1 capacity_pages: 1600 }
          processes {
            pid: 10
            regions {
              start_address: 0x10000
              pages: 64
              placements { node: 0 }
            }
            regions {
              start_address: 0x200000
              pages: 1024
              kind: REGION_KIND_HUGETLB
              placements { node: 0 }
            }
            regions {
              start_address: 0x800000
              pages: 512
              kind: REGION_KIND_HUGE
              placements { node: 0 }
            }
          }
        )pb",
        more));
  }
  void Run(Request request) { Migrate(*model_, request); }
  std::vector<MigrateTrace> Traces() { return model_->backend->Traces(); }
  uint64_t Succeeded() {
    return model_->machine().vmstat.pgmigrate_success.load();
  }
  uint64_t Failed() { return model_->machine().vmstat.pgmigrate_fail.load(); }

  std::unique_ptr<TestModel> model_;
};

TEST_F(TraceTest, EachMigrationIsOneRecordWithItsModeAndReason) {
  Make();
  for (Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    Run(Move({Pages(16, 64)}, mode));
    Request back = Move({Pages(16, 32)}, mode);
    back.nodes = {0};
    Run(back);
  }
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{64, 0, Mode::kAsync},
                                    MigrateTrace{32, 0, Mode::kAsync},
                                    MigrateTrace{32, 0, Mode::kSyncLight},
                                    MigrateTrace{32, 0, Mode::kSyncLight},
                                    MigrateTrace{32, 0, Mode::kSync},
                                    MigrateTrace{32, 0, Mode::kSync}));
  for (const MigrateTrace& trace : Traces()) {
    EXPECT_EQ(trace.reason, MigrateReason::kSyscall);
  }
  EXPECT_EQ(Succeeded(), 64u + 5 * 32);
}

TEST_F(TraceTest, FailuresAndLeftoverRetriesCountTogether) {
  Make(R"pb(
    page_faults { kind: PAGE_FAULT_KIND_WRITEBACK pid: 10 address: 0x10000 }
    page_faults { kind: PAGE_FAULT_KIND_PIN pid: 10 address: 0x11000 }
  )pb");
  Run(Move({Pages(16, 10)}, Mode::kAsync));
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{8, 2, Mode::kAsync}));
  EXPECT_EQ(Succeeded(), 8u);
  EXPECT_EQ(Failed(), 2u);
}

TEST_F(TraceTest, APageThatCameInTheEndIsNoFailure) {
  Make(
      "page_faults { kind: PAGE_FAULT_KIND_PIN pid: 10 address: 0x11000"
      " tries: 4 }");
  Run(Move({Pages(16, 10)}, Mode::kAsync));
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{10, 0, Mode::kAsync}));
}

TEST_F(TraceTest, HugetlbPagesCountAsAllTheirBasePages) {
  Make("page_faults { kind: PAGE_FAULT_KIND_PIN pid: 10 address: 0x400000 }");
  // Of each, one page is listed.
  Run(Move({Pages(512), Pages(1024)}));
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{512, 512, Mode::kSync}));
}

TEST_F(TraceTest, ASplitHugePageCountsAsThePagesThatWereListed) {
  Make();
  Run(Move({Pages(2048, 3)}));
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{3, 0, Mode::kSync}));
  EXPECT_THAT(
      model_->backend->ReadKernelEvents(),
      ElementsAre(Pair("pgmigrate_success", 3), Pair("pgmigrate_fail", 0),
                  Pair("thp_split", 1), Pair("numa_hint_faults", 0)));
}

TEST_F(TraceTest, WhatNeverReachesTheCoreIsNotCounted) {
  Make();
  Request dry_run = Move({Pages(16, 64)});
  dry_run.parameters.validate_only = true;
  Run(dry_run);
  Request stay = Move({Pages(16, 64)});
  stay.nodes = {0};
  Run(stay);
  Run(Move({Pages(3000, 4)}));  // nothing is there
  EXPECT_THAT(Traces(), IsEmpty());
  EXPECT_EQ(Succeeded() + Failed(), 0u);
}

TEST_F(TraceTest, PagesThatFoundNoMemoryAreNoFailures) {
  Make("fill_events { node: 1 leave_free_pages: 10 }");
  Run(Move({Pages(16, 64)}));
  EXPECT_THAT(Traces(), ElementsAre(MigrateTrace{10, 0, Mode::kSync}));
}

}  // namespace
}  // namespace pageferry::model
