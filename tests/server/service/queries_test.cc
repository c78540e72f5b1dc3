// The calls that only look: LocatePages, ListMigrations and NodeService.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using testing::ElementsAre;
using testing::HasSubstr;

class LocatePagesTest : public ServiceTest {
 protected:
  struct Record {
    std::vector<v1::PageLocation> locations;
    std::vector<int> message_sizes;
    grpc::Status status;
  };

  static v1::LocatePagesRequest Locate() {
    v1::LocatePagesRequest request;
    request.mutable_target()->mutable_process()->set_pid(kPid);
    return request;
  }

  Record Read(const v1::LocatePagesRequest& request) {
    grpc::ClientContext context;
    const auto reader = migrations_->LocatePages(&context, request);
    return ReadRest(reader.get());
  }

  static Record ReadRest(grpc::ClientReader<v1::LocatePagesResponse>* reader) {
    Record record;
    v1::LocatePagesResponse response;
    while (reader->Read(&response)) {
      EXPECT_EQ(response.pid(), kPid);
      record.message_sizes.push_back(response.locations_size());
      for (const v1::PageLocation& location : response.locations()) {
        record.locations.push_back(location);
      }
    }
    record.status = reader->Finish();
    return record;
  }
};

TEST_F(LocatePagesTest, SaysWhereListedPagesAre) {
  backend_.AddPages(kPid, kAddress, 1, {NodeId(0)});
  backend_.AddPages(kPid, kAddress + 4096, 1, {NodeId(2)});
  Start();
  v1::LocatePagesRequest request = Locate();
  v1::PageRange* range = request.add_ranges();
  range->set_start_address(kAddress);
  range->set_page_count(3);
  request.add_addresses(kAddress + 4097);
  const Record record = Read(request);
  ASSERT_TRUE(record.status.ok());
  ASSERT_EQ(record.locations.size(), 3u);
  EXPECT_EQ(record.locations[0].node(), 0);
  EXPECT_EQ(record.locations[1].node(), 2);
  EXPECT_EQ(record.locations[1].states(0), v1::PAGE_STATE_ANONYMOUS);
  EXPECT_FALSE(record.locations[2].resident());
  EXPECT_FALSE(record.locations[2].has_node());
  EXPECT_EQ(record.locations[2].unlocated_reason(),
            v1::PAGE_REASON_NOT_PRESENT);
}

TEST_F(LocatePagesTest, WithoutAListFindsAllThatIsResident) {
  backend_.AddPages(kPid, kAddress, 10'000, {NodeId(1)});
  Start();
  const Record record = Read(Locate());
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.locations.size(), 10'000u);
  for (const int size : record.message_sizes) EXPECT_LE(size, 4'096);
}

TEST_F(LocatePagesTest, OfAnEmptyProcessIsEmpty) {
  Start();
  const Record record = Read(Locate());
  EXPECT_TRUE(record.status.ok());
  EXPECT_TRUE(record.locations.empty());
}

TEST_F(LocatePagesTest, RefusesProcessesThatAreNotThere) {
  Start();
  v1::LocatePagesRequest request = Locate();
  request.mutable_target()->mutable_process()->set_pid(4711);
  const Record record = Read(request);
  EXPECT_EQ(record.status.error_code(), grpc::StatusCode::NOT_FOUND);
  EXPECT_EQ(DetailOf(record.status).reason(),
            v1::ERROR_REASON_PROCESS_NOT_FOUND);
  EXPECT_EQ(telemetry_.rejected(core::RefusalReason::kProcessNotFound), 1);
}

TEST_F(LocatePagesTest, RefusesBadAndUnsupportedTargets) {
  Start();
  EXPECT_EQ(Read(v1::LocatePagesRequest()).status.error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  v1::LocatePagesRequest request;
  request.mutable_target()->set_pod_uid("1234");
  EXPECT_EQ(Read(request).status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
}

TEST_F(LocatePagesTest, PagesLeftWhenTheProcessEndsAreReportedAsSuch) {
  backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
  backend_.look_gate().Close();
  Start();
  v1::LocatePagesRequest request = Locate();
  for (const uint64_t start : {kAddress, kAddress + (16 << 12)}) {
    v1::PageRange* range = request.add_ranges();
    range->set_start_address(start);
    range->set_page_count(4);
  }
  grpc::ClientContext context;
  const auto reader = migrations_->LocatePages(&context, request);
  backend_.look_gate().LetThrough(2);
  backend_.look_gate().AwaitPassed(2);
  backend_.look_gate().AwaitWaiting(1);
  backend_.EndProcess(kPid);
  backend_.look_gate().Open();
  const Record record = ReadRest(reader.get());
  EXPECT_TRUE(record.status.ok());
  uint64_t pages = 0;
  uint64_t gone = 0;
  for (const v1::PageLocation& location : record.locations) {
    pages += location.page_count();
    if (location.unlocated_reason() == v1::PAGE_REASON_PROCESS_EXITED) {
      EXPECT_FALSE(location.resident());
      gone += location.page_count();
    }
  }
  EXPECT_EQ(pages, 8u);
  EXPECT_EQ(gone, 6u);
}

TEST_F(LocatePagesTest, AClientThatVanishesEndsTheLook) {
  backend_.AddPages(kPid, kAddress, 200'000, {NodeId(0)});
  Start();
  {
    grpc::ClientContext context;
    const auto reader = migrations_->LocatePages(&context, Locate());
    v1::LocatePagesResponse response;
    ASSERT_TRUE(reader->Read(&response));
  }
  EXPECT_TRUE(service_->AwaitIdle(absl::InfiniteDuration()));
}

class ListMigrationsTest : public ServiceTest {
 protected:
  v1::ListMigrationsResponse List(uint32_t page_size,
                                  const std::string& token = "") {
    grpc::ClientContext context;
    v1::ListMigrationsRequest request;
    request.set_page_size(page_size);
    request.set_page_token(token);
    v1::ListMigrationsResponse response;
    status_ = migrations_->ListMigrations(&context, request, &response);
    return response;
  }

  grpc::Status status_;
};

TEST_F(ListMigrationsTest, TellsWhatWasAskedAndWhatCameOfIt) {
  backend_.AddPages(kPid, kAddress, 4, {NodeId(0)});
  Start();
  v1::MigratePagesRequest request = Request(4);
  request.set_request_id("job");
  request.mutable_options()->set_result_detail(v1::RESULT_DETAIL_SUMMARY);
  const MigrationRecord record = Migrate(request);
  const v1::ListMigrationsResponse list = List(0);
  ASSERT_EQ(list.migrations_size(), 1);
  const v1::MigrationInfo& info = list.migrations(0);
  EXPECT_EQ(info.migration_id(), record.started.migration_id());
  EXPECT_EQ(info.request_id(), "job");
  EXPECT_EQ(info.caller(), "tester");
  EXPECT_EQ(info.target().process().pid(), kPid);
  EXPECT_EQ(info.options().result_detail(), v1::RESULT_DETAIL_SUMMARY);
  EXPECT_EQ(info.state(), v1::MIGRATION_STATE_ENDED);
  EXPECT_GT(info.start_time().seconds(), 0);
  EXPECT_EQ(info.progress().SerializeAsString(),
            record.summary->SerializeAsString());
}

TEST_F(ListMigrationsTest, ShowsTheProgressOfWhatRuns) {
  backend_.AddPages(kPid, kAddress, 8, {NodeId(0)});
  backend_.SetBatchPages(4);
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(8));
  backend_.call_gate().LetThrough(1);
  while (backend_.calls() < 1) std::this_thread::yield();
  backend_.call_gate().AwaitWaiting(1);
  const v1::ListMigrationsResponse list = List(0);
  EXPECT_EQ(list.migrations(0).state(), v1::MIGRATION_STATE_RUNNING);
  EXPECT_EQ(list.migrations(0).progress().moved_pages(), 4u);
  EXPECT_EQ(list.migrations(0).progress().stop_reason(),
            v1::STOP_REASON_UNSPECIFIED);
  backend_.call_gate().Open();
  ReadAll(reader.get());
}

TEST_F(ListMigrationsTest, PagesNewestFirstAndStaysInPlace) {
  backend_.AddPages(kPid, kAddress, 4, {NodeId(0)});
  Start();
  std::vector<std::string> ids;
  for (int i = 0; i < 5; ++i) {
    ids.push_back(Migrate(Request(4)).started.migration_id());
  }
  const v1::ListMigrationsResponse first = List(2);
  ASSERT_EQ(first.migrations_size(), 2);
  EXPECT_EQ(first.migrations(0).migration_id(), ids[4]);
  EXPECT_EQ(first.migrations(1).migration_id(), ids[3]);
  // One more arrives between two pages.
  Migrate(Request(4));
  const v1::ListMigrationsResponse second = List(2, first.next_page_token());
  ASSERT_EQ(second.migrations_size(), 2);
  EXPECT_EQ(second.migrations(0).migration_id(), ids[2]);
  EXPECT_EQ(second.migrations(1).migration_id(), ids[1]);
  const v1::ListMigrationsResponse last = List(2, second.next_page_token());
  ASSERT_EQ(last.migrations_size(), 1);
  EXPECT_EQ(last.migrations(0).migration_id(), ids[0]);
  EXPECT_TRUE(last.next_page_token().empty());
}

TEST_F(ListMigrationsTest, APageThatIsJustFullIsTheLast) {
  backend_.AddPages(kPid, kAddress, 4, {NodeId(0)});
  Start();
  Migrate(Request(4));
  Migrate(Request(4));
  const v1::ListMigrationsResponse list = List(2);
  EXPECT_EQ(list.migrations_size(), 2);
  EXPECT_TRUE(list.next_page_token().empty());
}

TEST_F(ListMigrationsTest, RefusesTokensThatItHasNotGiven) {
  Start();
  for (const char* token : {"x", "bm90LTE", "!!", "LQ"}) {
    List(0, token);
    EXPECT_EQ(status_.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_EQ(DetailOf(status_).violations(0).field(), "page_token");
    EXPECT_THAT(status_.error_message(), HasSubstr(token));
  }
  backend_.AddPages(kPid, kAddress, 4, {NodeId(0)});
  Migrate(Request(4));
  List(0, "bm90LTE");
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  List(1001);
  EXPECT_THAT(status_.error_message(), HasSubstr("page_size: is 1001"));
}

class NodeServiceTest : public ServiceTest {};

TEST_F(NodeServiceTest, TellsTheTopology) {
  core::Node node;
  node.id = NodeId(1);
  node.has_cpu = true;
  node.has_memory = true;
  node.memory = {100, 50, 20, 10};
  node.tier = 4;
  node.distances = {{NodeId(0), 21}, {NodeId(1), 10}};
  node.performance.read_latency_ns = 90;
  node.demotion_order = {NodeId(2)};
  core::Node bare;
  bare.id = NodeId(2);
  backend_.SetTopology(core::Topology{{node, bare}});
  Start();
  grpc::ClientContext context;
  v1::GetTopologyResponse response;
  ASSERT_TRUE(nodes_->GetTopology(&context, {}, &response).ok());
  ASSERT_EQ(response.nodes_size(), 2);
  const v1::NodeInfo& info = response.nodes(0);
  EXPECT_EQ(info.node(), 1);
  EXPECT_TRUE(info.has_cpu());
  EXPECT_EQ(info.memory_usage().total_bytes(), 100u);
  EXPECT_EQ(info.memory_usage().free_bytes(), 50u);
  EXPECT_EQ(info.memory_usage().file_bytes(), 20u);
  EXPECT_EQ(info.memory_usage().anonymous_bytes(), 10u);
  EXPECT_EQ(info.tier(), 4);
  EXPECT_EQ(info.distances(0).distance(), 21);
  EXPECT_EQ(info.performance().read_latency_ns(), 90u);
  EXPECT_FALSE(info.performance().has_write_latency_ns());
  EXPECT_THAT(info.demotion_order(), ElementsAre(2));
  EXPECT_FALSE(response.nodes(1).has_memory_usage());
  EXPECT_FALSE(response.nodes(1).has_tier());
  EXPECT_FALSE(response.nodes(1).has_performance());
}

TEST_F(NodeServiceTest, ATopologyThatCannotBeReadIsADefect) {
  backend_.SetTopology(absl::InternalError("no /sys"));
  Start();
  grpc::ClientContext context;
  v1::GetTopologyResponse response;
  const grpc::Status status = nodes_->GetTopology(&context, {}, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INTERNAL);
  EXPECT_EQ(DetailOf(status).reason(), v1::ERROR_REASON_INTERNAL);
}

TEST_F(NodeServiceTest, TellsTheCapabilities) {
  core::Capabilities capabilities;
  capabilities.kernel_release = "6.12";
  capabilities.ready = true;
  capabilities.modes = {{core::Mode::kAsync,
                         {core::Fidelity::kScreened, core::Fidelity::kKernel}},
                        {core::Mode::kSync, {core::Fidelity::kScreened}}};
  capabilities.privileges = {{"CAP_SYS_NICE", false, "shared pages stay"}};
  capabilities.visible_page_states.Add(core::PageState::kDirty);
  capabilities.numa_balancing = true;
  backend_.SetCapabilities(capabilities);
  context_.max_bytes_per_second = 1000;
  Start();
  grpc::ClientContext context;
  v1::GetCapabilitiesResponse response;
  ASSERT_TRUE(nodes_->GetCapabilities(&context, {}, &response).ok());
  EXPECT_EQ(response.backend(), "fake");
  EXPECT_EQ(response.version(), "1.2.3");
  EXPECT_EQ(response.kernel_release(), "6.12");
  EXPECT_TRUE(response.ready());
  ASSERT_EQ(response.modes_size(), 2);
  EXPECT_THAT(
      response.modes(0).fidelities(),
      ElementsAre(v1::MODE_FIDELITY_SCREENED, v1::MODE_FIDELITY_KERNEL));
  ASSERT_EQ(response.privileges_size(), 1);
  EXPECT_EQ(response.privileges(0).cost_of_lack(), "shared pages stay");
  EXPECT_THAT(response.visible_page_states(),
              ElementsAre(v1::PAGE_STATE_DIRTY));
  EXPECT_TRUE(response.numa_balancing());
  EXPECT_EQ(response.limits().bytes_per_second(), 1000u);
}

}  // namespace
}  // namespace pageferry::service
