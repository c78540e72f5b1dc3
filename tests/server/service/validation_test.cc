#include "server/service/validation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <vector>

#include "server/core/limits.h"
#include "server/core/refusal.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr uint64_t kAddress = 0x10000000;

v1::MigratePagesRequest GoodRequest() {
  v1::MigratePagesRequest request;
  request.mutable_process()->set_pid(42);
  request.mutable_options()->set_mode(v1::MIGRATE_MODE_SYNC_LIGHT);
  v1::PageBatch* batch = request.add_batches();
  batch->set_destination_node(1);
  batch->add_addresses(kAddress);
  return request;
}

absl::StatusOr<MigratePagesPlan> Plan(const v1::MigratePagesRequest& request) {
  const std::vector<NodeId> nodes = {NodeId(0), NodeId(1), NodeId(3)};
  return PlanMigratePages(request, nodes, absl::Milliseconds(1));
}

std::vector<core::Violation> ViolationsOf(const absl::Status& status) {
  EXPECT_FALSE(status.ok());
  const core::Refusal refusal = core::RefusalOf(status);
  EXPECT_EQ(refusal.reason, core::RefusalReason::kInvalidRequest);
  return refusal.violations;
}

auto IsViolation(const std::string& field, const std::string& part) {
  return AllOf(Field(&core::Violation::field, field),
               Field(&core::Violation::description, HasSubstr(part)));
}

// What is wrong with a request that is good but for `change`.
std::vector<core::Violation> ViolationsAfter(
    const std::function<void(v1::MigratePagesRequest*)>& change) {
  v1::MigratePagesRequest request = GoodRequest();
  change(&request);
  return ViolationsOf(Plan(request).status());
}

TEST(PlanMigratePagesTest, FillsInEveryDefault) {
  const absl::StatusOr<MigratePagesPlan> plan = Plan(GoodRequest());
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->process.pid, 42);
  EXPECT_FALSE(plan->process.start_time_ticks.has_value());
  EXPECT_EQ(plan->pages.page_count(), 1u);
  EXPECT_EQ(plan->how.move.mode, core::Mode::kSyncLight);
  EXPECT_FALSE(plan->how.move.move_shared);
  EXPECT_FALSE(plan->how.move.validate_only);
  EXPECT_EQ(plan->how.move.preferred_fidelity, core::Fidelity::kScreened);
  EXPECT_EQ(plan->how.migrate.max_passes, core::kDefaultPasses);
  EXPECT_EQ(plan->how.migrate.initial_backoff, absl::Milliseconds(1));
  EXPECT_EQ(plan->how.migrate.max_backoff, core::kDefaultMaxBackoff);
  EXPECT_EQ(plan->how.result_detail, v1::RESULT_DETAIL_ALL);
  EXPECT_EQ(plan->how.time_budget, absl::InfiniteDuration());
  EXPECT_EQ(plan->how.max_bytes_per_second, 0u);
}

TEST(PlanMigratePagesTest, TakesWhatIsAsked) {
  v1::MigratePagesRequest request = GoodRequest();
  request.mutable_process()->set_start_time_ticks(77);
  request.set_request_id("!job~1");
  v1::MigrationOptions* options = request.mutable_options();
  options->set_shared_pages(v1::SHARED_PAGES_MOVE);
  options->set_result_detail(v1::RESULT_DETAIL_FAILURES);
  options->set_max_bytes_per_second(12345);
  options->mutable_time_budget()->set_nanos(5'000'000);
  options->set_validate_only(true);
  options->set_preferred_fidelity(v1::MODE_FIDELITY_KERNEL);
  options->mutable_retry()->set_max_passes(100);
  options->mutable_retry()->mutable_initial_backoff()->set_seconds(1);
  options->mutable_retry()->mutable_max_backoff()->set_seconds(2);
  request.mutable_batches(0)->add_fallback_nodes(3);
  request.mutable_batches(0)->add_fallback_nodes(0);
  const absl::StatusOr<MigratePagesPlan> plan = Plan(request);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_EQ(plan->process.start_time_ticks, 77u);
  EXPECT_EQ(plan->request_id, "!job~1");
  EXPECT_TRUE(plan->how.move.move_shared);
  EXPECT_TRUE(plan->how.move.validate_only);
  EXPECT_TRUE(plan->how.migrate.validate_only);
  EXPECT_EQ(plan->how.move.preferred_fidelity, core::Fidelity::kKernel);
  EXPECT_EQ(plan->how.result_detail, v1::RESULT_DETAIL_FAILURES);
  EXPECT_EQ(plan->how.max_bytes_per_second, 12345u);
  EXPECT_EQ(plan->how.time_budget, absl::Milliseconds(5));
  EXPECT_EQ(plan->how.migrate.max_passes, 100u);
  EXPECT_EQ(plan->how.migrate.initial_backoff, absl::Seconds(1));
  EXPECT_EQ(plan->how.migrate.max_backoff, absl::Seconds(2));
  EXPECT_THAT(plan->pages.placements().at(0).nodes,
              ElementsAre(NodeId(1), NodeId(3), NodeId(0)));
}

TEST(PlanMigratePagesTest, ABackoffThatIsGivenAloneBendsTheOther) {
  v1::MigratePagesRequest request = GoodRequest();
  v1::RetryPolicy* retry = request.mutable_options()->mutable_retry();
  retry->mutable_initial_backoff()->set_seconds(9);
  EXPECT_EQ(Plan(request)->how.migrate.max_backoff, absl::Seconds(9));
  retry->clear_initial_backoff();
  retry->mutable_max_backoff()->set_nanos(1000);
  EXPECT_EQ(Plan(request)->how.migrate.initial_backoff, absl::Microseconds(1));
}

TEST(PlanMigratePagesTest, RoundsAndCollapses) {
  v1::MigratePagesRequest request = GoodRequest();
  v1::PageBatch* batch = request.mutable_batches(0);
  batch->add_addresses(kAddress + 4095);
  batch->add_addresses(kAddress + 4096);
  v1::PageRange* range = batch->add_ranges();
  range->set_start_address(kAddress + 1);
  range->set_page_count(3);
  EXPECT_EQ(Plan(request)->pages.page_count(), 3u);
}

TEST(PlanMigratePagesTest, TakesAddressesThatNoProcessHas) {
  v1::MigratePagesRequest request = GoodRequest();
  request.mutable_batches(0)->add_addresses(UINT64_MAX);
  request.mutable_batches(0)->add_addresses(0);
  v1::PageRange* range = request.mutable_batches(0)->add_ranges();
  range->set_start_address(UINT64_MAX - 4095);
  range->set_page_count(1);
  EXPECT_TRUE(Plan(request).ok());
}

TEST(PlanMigratePagesTest, ListsEveryViolationInOneGo) {
  v1::MigratePagesRequest request;
  request.add_batches();
  const std::vector<core::Violation> violations =
      ViolationsOf(Plan(request).status());
  EXPECT_THAT(violations,
              ElementsAre(IsViolation("process", "is missing"),
                          IsViolation("batches[0].destination_node",
                                      "is missing; name one of: 0, 1, 3"),
                          IsViolation("batches[0]", "has no pages"),
                          IsViolation("options.mode", "is missing")));
}

TEST(PlanMigratePagesTest, TheMessageNamesTheFirstViolationAndHowManyMore) {
  v1::MigratePagesRequest request;
  const absl::Status status = Plan(request).status();
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("process: is missing"), HasSubstr("and 2")));
}

TEST(PlanMigratePagesTest, RefusesBadProcesses) {
  EXPECT_THAT(
      ViolationsAfter([](auto* r) { r->mutable_process()->set_pid(0); }),
      ElementsAre(IsViolation("process.pid", "is 0; must be positive")));
  EXPECT_THAT(
      ViolationsAfter([](auto* r) { r->mutable_process()->set_pid(-5); }),
      ElementsAre(IsViolation("process.pid", "is -5")));
}

TEST(PlanMigratePagesTest, RefusesNodesThatAreNone) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->set_destination_node(2);
              }),
              ElementsAre(IsViolation("batches[0].destination_node",
                                      "is 2, which is no online node with "
                                      "memory; those are: 0, 1, 3")));
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->set_destination_node(-1);
              }),
              ElementsAre(IsViolation("batches[0].destination_node", "is -1")));
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->add_fallback_nodes(9);
              }),
              ElementsAre(IsViolation("batches[0].fallback_nodes[0]", "is 9")));
}

TEST(PlanMigratePagesTest, RefusesNodesNamedTwiceInABatch) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->add_fallback_nodes(1);
              }),
              ElementsAre(IsViolation("batches[0].fallback_nodes[0]",
                                      "is the destination")));
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->add_fallback_nodes(3);
                r->mutable_batches(0)->add_fallback_nodes(3);
              }),
              ElementsAre(IsViolation("batches[0].fallback_nodes[1]", "is 3")));
}

TEST(PlanMigratePagesTest, RefusesTooManyFallbackNodes) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                for (int i = 0; i < 9; ++i) {
                  r->mutable_batches(0)->add_fallback_nodes(0);
                }
              }),
              ElementsAre(IsViolation("batches[0].fallback_nodes",
                                      "has 9 nodes; at most 8")));
}

TEST(PlanMigratePagesTest, RefusesEmptyRangesAndThoseThatPassTheEnd) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                r->mutable_batches(0)->add_ranges()->set_start_address(4096);
              }),
              ElementsAre(IsViolation("batches[0].ranges[0].page_count",
                                      "is 0; must be at least 1")));
  EXPECT_THAT(
      ViolationsAfter([](auto* r) {
        v1::PageRange* range = r->mutable_batches(0)->add_ranges();
        range->set_start_address(UINT64_MAX - 8191);
        range->set_page_count(3);
      }),
      ElementsAre(IsViolation("batches[0].ranges[0].page_count",
                              "is 3, which passes the end of the address "
                              "space; at most 2 from address "
                              "0xffffffffffffe000")));
}

TEST(PlanMigratePagesTest, NamesTheAddressOfAConflict) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                v1::PageBatch* other = r->add_batches();
                other->set_destination_node(3);
                other->add_addresses(kAddress + 5);
              }),
              ElementsAre(IsViolation("batches[1]",
                                      "the page at 0x10000000, which "
                                      "batches[0] sends")));
}

TEST(PlanMigratePagesTest, DifferentFallbackNodesAreAConflictToo) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                *r->add_batches() = r->batches(0);
                r->mutable_batches(1)->add_fallback_nodes(0);
              }),
              ElementsAre(IsViolation("batches[1]", "0x10000000")));
}

TEST(PlanMigratePagesTest, TheSamePageTwiceWithOnePlacementIsNoConflict) {
  v1::MigratePagesRequest request = GoodRequest();
  *request.add_batches() = request.batches(0);
  EXPECT_EQ(Plan(request)->pages.page_count(), 1u);
}

TEST(PlanMigratePagesTest, HoldsTheLimits) {
  EXPECT_THAT(ViolationsAfter([](auto* r) { r->clear_batches(); }),
              ElementsAre(IsViolation("batches", "is empty")));
  EXPECT_THAT(
      ViolationsAfter([](auto* r) {
        for (uint32_t i = 0; i < core::kMaxRequestBatches; ++i) {
          *r->add_batches() = r->batches(0);
        }
      }),
      ElementsAre(IsViolation("batches", "has 65537 batches; at most 65536")));
  EXPECT_THAT(
      ViolationsAfter([](auto* r) {
        for (uint32_t i = 0; i <= core::kMaxRequestRanges; ++i) {
          r->mutable_batches(0)->add_ranges()->set_page_count(1);
        }
      }),
      ElementsAre(IsViolation("batches", "has 65537 ranges; at most 65536")));
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                v1::PageRange* range = r->mutable_batches(0)->add_ranges();
                range->set_start_address(uint64_t{1} << 40);
                range->set_page_count(core::kMaxRequestPages);
              }),
              ElementsAre(IsViolation("batches",
                                      "names 16777217 distinct pages; at most "
                                      "16777216")));
}

TEST(PlanMigratePagesTest, AsManyPagesAsTheLimitAreTaken) {
  v1::MigratePagesRequest request = GoodRequest();
  v1::PageRange* range = request.mutable_batches(0)->add_ranges();
  range->set_start_address(kAddress);
  range->set_page_count(core::kMaxRequestPages);
  EXPECT_EQ(Plan(request)->pages.page_count(), core::kMaxRequestPages);
}

TEST(PlanMigratePagesTest, RefusesBadOptions) {
  const auto with = [](const std::function<void(v1::MigrationOptions*)>& f) {
    return ViolationsAfter([&f](auto* r) { f(r->mutable_options()); });
  };
  EXPECT_THAT(
      with([](auto* o) { o->set_mode(v1::MIGRATE_MODE_UNSPECIFIED); }),
      ElementsAre(IsViolation("options.mode", "MIGRATE_MODE_SYNC_LIGHT")));
  EXPECT_THAT(
      with([](auto* o) { o->set_mode(static_cast<v1::MigrateMode>(9)); }),
      ElementsAre(IsViolation("options.mode", "is 9; must be one of")));
  EXPECT_THAT(with([](auto* o) {
                o->set_shared_pages(static_cast<v1::SharedPages>(3));
              }),
              ElementsAre(IsViolation("options.shared_pages", "is 3")));
  EXPECT_THAT(with([](auto* o) {
                o->set_result_detail(static_cast<v1::ResultDetail>(4));
              }),
              ElementsAre(IsViolation("options.result_detail", "is 4")));
  EXPECT_THAT(with([](auto* o) {
                o->set_preferred_fidelity(static_cast<v1::ModeFidelity>(-1));
              }),
              ElementsAre(IsViolation("options.preferred_fidelity", "is -1")));
  EXPECT_THAT(with([](auto* o) { o->mutable_retry()->set_max_passes(101); }),
              ElementsAre(IsViolation("options.retry.max_passes",
                                      "is 101; at most 100")));
}

TEST(PlanMigratePagesTest, RefusesBadDurations) {
  const auto with = [](const std::function<void(v1::MigrationOptions*)>& f) {
    return ViolationsAfter([&f](auto* r) { f(r->mutable_options()); });
  };
  EXPECT_THAT(with([](auto* o) { o->mutable_time_budget(); }),
              ElementsAre(IsViolation("options.time_budget",
                                      "is 0; must be positive")));
  EXPECT_THAT(with([](auto* o) { o->mutable_time_budget()->set_seconds(-2); }),
              ElementsAre(IsViolation("options.time_budget", "is -2s")));
  EXPECT_THAT(
      with([](auto* o) { o->mutable_time_budget()->set_nanos(1'000'000'000); }),
      Contains(IsViolation("options.time_budget", "no valid duration")));
  EXPECT_THAT(
      with([](auto* o) { o->mutable_time_budget()->set_seconds(1LL << 40); }),
      Contains(IsViolation("options.time_budget", "no valid duration")));
  EXPECT_THAT(with([](auto* o) {
                o->mutable_time_budget()->set_seconds(1);
                o->mutable_time_budget()->set_nanos(-1);
              }),
              Contains(IsViolation("options.time_budget", "nanos -1")));
  EXPECT_THAT(with([](auto* o) {
                o->mutable_retry()->mutable_initial_backoff()->set_nanos(-1);
              }),
              Contains(IsViolation("options.retry.initial_backoff",
                                   "must not be negative")));
  EXPECT_THAT(with([](auto* o) {
                o->mutable_retry()->mutable_initial_backoff()->set_seconds(3);
                o->mutable_retry()->mutable_max_backoff()->set_seconds(2);
              }),
              ElementsAre(IsViolation("options.retry.max_backoff",
                                      "is 2s; must not be under "
                                      "initial_backoff, which is 3s")));
}

TEST(PlanMigratePagesTest, RefusesBadRequestIds) {
  EXPECT_THAT(
      ViolationsAfter([](auto* r) { r->set_request_id(std::string(65, 'x')); }),
      ElementsAre(IsViolation("request_id", "has 65 characters; at most 64")));
  EXPECT_THAT(ViolationsAfter([](auto* r) { r->set_request_id("a b"); }),
              ElementsAre(IsViolation("request_id", "character 1")));
  EXPECT_THAT(ViolationsAfter([](auto* r) { r->set_request_id("\xc3\xa9"); }),
              ElementsAre(IsViolation("request_id", "printable ASCII")));
  v1::MigratePagesRequest request = GoodRequest();
  request.set_request_id(std::string(64, '~'));
  EXPECT_TRUE(Plan(request).ok());
}

TEST(PlanMigratePagesTest, ListsAtMostSixtyFourViolations) {
  EXPECT_THAT(ViolationsAfter([](auto* r) {
                for (int i = 0; i < 1000; ++i) {
                  r->mutable_batches(0)->add_ranges();
                }
              }),
              SizeIs(core::kMaxViolations));
}

v1::LocatePagesRequest LocateProcess() {
  v1::LocatePagesRequest request;
  request.mutable_target()->mutable_process()->set_pid(42);
  return request;
}

TEST(PlanLocatePagesTest, WithoutAListAllThatIsResidentIsMeant) {
  const absl::StatusOr<LocatePagesPlan> plan = PlanLocatePages(LocateProcess());
  ASSERT_TRUE(plan.ok());
  EXPECT_TRUE(plan->all_resident);
  EXPECT_EQ(plan->target.process.pid, 42);
}

TEST(PlanLocatePagesTest, TakesALongListOfPages) {
  v1::LocatePagesRequest request = LocateProcess();
  request.add_addresses(kAddress + 1);
  request.add_ranges()->set_page_count(2);
  const absl::StatusOr<LocatePagesPlan> plan = PlanLocatePages(request);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->all_resident);
  EXPECT_EQ(plan->pages.page_count(), 3u);
}

TEST(PlanLocatePagesTest, RefusesBadRequests) {
  EXPECT_THAT(ViolationsOf(PlanLocatePages(v1::LocatePagesRequest()).status()),
              ElementsAre(IsViolation("target", "is missing")));
  v1::LocatePagesRequest request = LocateProcess();
  request.mutable_target()->mutable_process()->set_pid(0);
  request.add_ranges();
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target.process.pid", "is 0"),
                          IsViolation("ranges[0].page_count", "is 0")));
}

TEST(PlanLocatePagesTest, AListOfAGroupIsRefused) {
  v1::LocatePagesRequest request;
  request.mutable_target()->set_cgroup("/a");
  request.add_addresses(1);
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target", "asks for one process")));
}

TEST(PlanLocatePagesTest, ChecksNamesOfGroups) {
  v1::LocatePagesRequest request;
  request.mutable_target()->set_cgroup("a");
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target.cgroup", "is \"a\"")));
  request.mutable_target()->set_cgroup("/" + std::string(4096, 'x'));
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target.cgroup",
                                      "has 4097 characters; at most 4096")));
  request.mutable_target()->set_pod_uid("");
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target.pod_uid", "is empty")));
  request.mutable_target()->mutable_container();
  EXPECT_THAT(ViolationsOf(PlanLocatePages(request).status()),
              ElementsAre(IsViolation("target.container.namespace", "missing"),
                          IsViolation("target.container.pod", "missing")));
}

TEST(PlanLocatePagesTest, ACgroupIsATarget) {
  v1::LocatePagesRequest request;
  request.mutable_target()->set_cgroup("/system.slice//a/");
  const auto plan = PlanLocatePages(request);
  ASSERT_TRUE(plan.ok());
  EXPECT_FALSE(plan->target.is_process());
  EXPECT_EQ(plan->target.cgroup, "/system.slice/a");
}

TEST(PlanLocatePagesTest, PodsAndContainersAreNotSupportedYet) {
  v1::LocatePagesRequest request;
  request.mutable_target()->set_pod_uid("uid");
  const core::Refusal refusal =
      core::RefusalOf(PlanLocatePages(request).status());
  EXPECT_EQ(refusal.reason, core::RefusalReason::kUnsupported);
  EXPECT_THAT(refusal.message, HasSubstr("does not resolve pods"));
  EXPECT_THAT(refusal.violations, IsEmpty());
}

TEST(PlanPageSizeTest, HasADefaultAndALimit) {
  v1::ListMigrationsRequest request;
  EXPECT_EQ(*PlanPageSize(request), 100u);
  request.set_page_size(1000);
  EXPECT_EQ(*PlanPageSize(request), 1000u);
  request.set_page_size(1001);
  EXPECT_THAT(ViolationsOf(PlanPageSize(request).status()),
              ElementsAre(IsViolation("page_size", "is 1001; at most 1000")));
}

}  // namespace
}  // namespace pageferry::service
