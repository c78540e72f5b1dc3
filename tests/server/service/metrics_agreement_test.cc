// What is counted is what the clients were told.

#include <gtest/gtest.h>

#include <string>

#include "server/metrics/telemetry.h"
#include "tests/server/metrics/samples.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using core::Reason;

class MetricsAgreementTest : public ServiceTest {
 protected:
  MetricsAgreementTest() : prometheus_({"1", "r", "fake"}) {
    context_.telemetry = &prometheus_;
    backend_.AddPages(kPid, kAddress, 40, {NodeId(0)});
    backend_.AddPages(kPid, kAddress + (40 << 12), 10, {NodeId(2)});
    backend_.AddPages(kPid, kAddress + (50 << 12), 5, {NodeId(1)});
    backend_.AddPages(kPid, kAddress + (55 << 12), 5,
                      {NodeId(0), Reason::kPinned});
    backend_.AddPages(kPid, kAddress + (60 << 12), 5,
                      {NodeId(0), Reason::kNone, 1});
    backend_.SetBatchPages(7);
  }

  double Sum(const std::string& name) const {
    return metrics::SumOf(*prometheus_.collectable(), name);
  }

  metrics::PrometheusTelemetry prometheus_;
};

TEST_F(MetricsAgreementTest, CountersEqualTheSumOfAllSummaries) {
  Start();
  v1::MigrationSummary total;
  const auto add = [&total](const v1::MigrationSummary& summary) {
    total.set_requested_pages(total.requested_pages() +
                              summary.requested_pages());
    total.set_moved_pages(total.moved_pages() + summary.moved_pages());
    total.set_moved_bytes(total.moved_bytes() + summary.moved_bytes());
    total.set_already_placed_pages(total.already_placed_pages() +
                                   summary.already_placed_pages());
    total.set_failed_pages(total.failed_pages() + summary.failed_pages());
    total.set_retried_pages(total.retried_pages() + summary.retried_pages());
  };
  for (const int destination : {1, 2, 0, 1, 1}) {
    const MigrationRecord record = Migrate(Request(70, destination));
    ASSERT_TRUE(record.status.ok());
    add(*record.summary);
    // At each scrape between migrations, and as soon as a client knows.
    EXPECT_EQ(Sum("pageferry_requested_pages_total"), total.requested_pages());
    EXPECT_EQ(Sum("pageferry_moved_pages_total"), total.moved_pages());
    EXPECT_EQ(Sum("pageferry_moved_bytes_total"), total.moved_bytes());
    EXPECT_EQ(Sum("pageferry_already_placed_pages_total"),
              total.already_placed_pages());
    EXPECT_EQ(Sum("pageferry_failed_pages_total"), total.failed_pages());
    EXPECT_EQ(Sum("pageferry_retried_pages_total"), total.retried_pages());
    EXPECT_EQ(Sum("pageferry_requested_pages_total"),
              Sum("pageferry_moved_pages_total") +
                  Sum("pageferry_already_placed_pages_total") +
                  Sum("pageferry_failed_pages_total") +
                  Sum("pageferry_not_attempted_pages_total"));
  }
  EXPECT_EQ(Sum("pageferry_migrations_total"), 5);
}

TEST_F(MetricsAgreementTest, WhatIsRefusedIsCountedAsThatAlone) {
  Start();
  EXPECT_FALSE(Migrate(Request(70, 9)).status.ok());
  EXPECT_EQ(Sum("pageferry_rejected_requests_total"), 1);
  EXPECT_EQ(Sum("pageferry_migrations_total"), 0);
  EXPECT_EQ(Sum("pageferry_requested_pages_total"), 0);
}

}  // namespace
}  // namespace pageferry::service
