#include "server/metrics/migration_meter.h"

#include <gtest/gtest.h>
#include <prometheus/registry.h>

#include "server/core/reasons.h"
#include "server/metrics/telemetry.h"
#include "tests/server/metrics/samples.h"

namespace pageferry::metrics {
namespace {

using core::Method;
using core::Mode;
using core::NodeId;
using core::Reason;

size_t Index(Reason reason) { return static_cast<size_t>(reason); }

// 100 pages: 60 moved, 10 there already, 25 failed, 5 not attempted.
core::MigrationSummary Summary() {
  core::MigrationSummary summary;
  summary.requested_pages = 100;
  summary.moved_pages = 60;
  summary.already_placed_pages = 10;
  summary.failed_pages = 25;
  summary.not_attempted_pages = 5;
  summary.companion_pages = 7;
  summary.passes = 3;
  summary.retried_pages = 9;
  summary.retries[Index(Reason::kLocked)] = 9;
  summary.recovered[Index(Reason::kLocked)] = 4;
  summary.failures[Index(Reason::kPinned)] = 20;
  summary.failures[Index(Reason::kNotPresent)] = 5;
  summary.not_attempted[Index(Reason::kCancelled)] = 5;
  summary.moved_between[{NodeId(0), NodeId(1)}] = 50;
  summary.moved_between[{NodeId::Unknown(), NodeId(1)}] = 10;
  summary.status_missing = 3;
  summary.status_wrong = 2;
  summary.elapsed = absl::Milliseconds(1500);
  summary.stop_reason = core::StopReason::kCancelled;
  return summary;
}

class MigrationMeterTest : public testing::Test {
 protected:
  MigrationMeterTest() : telemetry_({"1.0", "abc", "kernel"}) {
    const std::vector<NodeId> nodes = {NodeId(0), NodeId(1)};
    telemetry_.AddNodes(nodes);
  }

  double Value(const std::string& series) const {
    return SampleOf(*telemetry_.collectable(), series);
  }

  PrometheusTelemetry telemetry_;
};

TEST_F(MigrationMeterTest, CountsWhatTheSummarySays) {
  telemetry_.StartMigration(Method::kMigratePages, Mode::kAsync, false)
      ->End(Summary());
  EXPECT_EQ(Value("pageferry_requested_pages_total{mode=ASYNC}"), 100);
  EXPECT_EQ(Value("pageferry_moved_pages_total{mode=ASYNC,source_node=0,"
                  "destination_node=1}"),
            50);
  EXPECT_EQ(Value("pageferry_moved_pages_total{mode=ASYNC,"
                  "source_node=unknown,destination_node=1}"),
            10);
  EXPECT_EQ(Value("pageferry_already_placed_pages_total{mode=ASYNC}"), 10);
  EXPECT_EQ(Value("pageferry_not_attempted_pages_total{mode=ASYNC}"), 5);
  EXPECT_EQ(Value("pageferry_companion_pages_total{mode=ASYNC}"), 7);
  EXPECT_EQ(Value("pageferry_failed_pages_total{mode=ASYNC,reason=PINNED}"),
            20);
  EXPECT_EQ(
      Value("pageferry_failed_pages_total{mode=ASYNC,reason=NOT_PRESENT}"), 5);
  EXPECT_EQ(Value("pageferry_retried_pages_total{mode=ASYNC,reason=LOCKED}"),
            9);
  EXPECT_EQ(Value("pageferry_recovered_pages_total{mode=ASYNC,reason=LOCKED}"),
            4);
  EXPECT_EQ(Value("pageferry_status_corrections_total{kind=status_missing}"),
            3);
  EXPECT_EQ(Value("pageferry_status_corrections_total{kind=status_wrong}"), 2);
  EXPECT_EQ(Value("pageferry_migrations_total{method=MigratePages,mode=ASYNC,"
                  "stop_reason=CANCELLED}"),
            1);
}

TEST_F(MigrationMeterTest, SumsAgree) {
  telemetry_.StartMigration(Method::kMigratePages, Mode::kSync, false)
      ->End(Summary());
  const auto sum = [&](const std::string& name) {
    return SumOf(*telemetry_.collectable(), name);
  };
  EXPECT_EQ(sum("pageferry_requested_pages_total"),
            sum("pageferry_moved_pages_total") +
                sum("pageferry_already_placed_pages_total") +
                sum("pageferry_failed_pages_total") +
                sum("pageferry_not_attempted_pages_total"));
  EXPECT_EQ(sum("pageferry_moved_bytes_total"), Summary().moved_bytes());
}

TEST_F(MigrationMeterTest, UpdatesCountOnlyWhatIsNew) {
  const auto meter =
      telemetry_.StartMigration(Method::kMigratePages, Mode::kAsync, false);
  core::MigrationSummary so_far = Summary();
  so_far.moved_pages = 20;
  so_far.moved_between = {{{NodeId(0), NodeId(1)}, 20}};
  so_far.companion_pages = 1;
  so_far.failures = {};
  meter->Update(so_far);
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_moved_pages_total"),
            20);
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_moved_bytes_total"),
            21 * 4096);
  meter->Update(so_far);
  meter->End(Summary());
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_moved_pages_total"),
            60);
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_moved_bytes_total"),
            Summary().moved_bytes());
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_failed_pages_total"),
            25);
}

TEST_F(MigrationMeterTest, BytesOfCompanionsGoWhereTheirPagesWent) {
  const auto meter =
      telemetry_.StartMigration(Method::kMigratePages, Mode::kAsync, false);
  core::MigrationSummary summary;
  summary.moved_pages = 1;
  summary.companion_pages = 511;
  summary.moved_between[{NodeId(0), NodeId(1)}] = 1;
  meter->Update(summary);
  EXPECT_EQ(Value("pageferry_moved_bytes_total{mode=ASYNC,source_node=0,"
                  "destination_node=1}"),
            2 << 20);
}

TEST_F(MigrationMeterTest, ADryRunCountsInNoOtherPageCounter) {
  core::MigrationSummary summary = Summary();
  summary.moved_pages = 0;
  summary.moved_between.clear();
  summary.companion_pages = 0;
  summary.would_move_pages = 60;
  summary.stop_reason = core::StopReason::kCompleted;
  telemetry_.StartMigration(Method::kMigratePages, Mode::kAsync, true)
      ->End(summary);
  for (const char* name :
       {"pageferry_requested_pages_total", "pageferry_moved_pages_total",
        "pageferry_moved_bytes_total", "pageferry_already_placed_pages_total",
        "pageferry_not_attempted_pages_total", "pageferry_failed_pages_total",
        "pageferry_retried_pages_total", "pageferry_recovered_pages_total",
        "pageferry_companion_pages_total"}) {
    EXPECT_EQ(SumOf(*telemetry_.collectable(), name), 0) << name;
  }
  EXPECT_EQ(SumOf(*telemetry_.collectable(), "pageferry_validated_pages_total"),
            100);
  EXPECT_EQ(
      Value("pageferry_validated_pages_total{mode=ASYNC,reason=WOULD_MOVE}"),
      60);
  EXPECT_EQ(Value("pageferry_validated_pages_total{mode=ASYNC,"
                  "reason=ALREADY_PLACED}"),
            10);
  EXPECT_EQ(Value("pageferry_validated_pages_total{mode=ASYNC,reason=PINNED}"),
            20);
  EXPECT_EQ(Value("pageferry_migrations_total{method=MigratePages,mode=ASYNC,"
                  "stop_reason=COMPLETED}"),
            1);
}

TEST_F(MigrationMeterTest, NodesThatComeLaterGetTheirSeries) {
  core::MigrationSummary summary;
  summary.moved_pages = 4;
  summary.moved_between[{NodeId(5), NodeId(6)}] = 4;
  telemetry_.StartMigration(Method::kMigratePages, Mode::kAsync, false)
      ->Update(summary);
  EXPECT_EQ(Value("pageferry_moved_pages_total{mode=ASYNC,source_node=5,"
                  "destination_node=6}"),
            4);
}

}  // namespace
}  // namespace pageferry::metrics
