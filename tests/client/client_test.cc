#include "pageferry/client.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ClientTest : public testing::Test {
 protected:
  // Answers of a migration that lasts until the client leaves.
  void MigrateForever() {
    daemon_.on_migrate = [this](const auto&, grpc::ServerContext* context,
                                const auto& send) {
      send(StartedEvent("m-1", 1));
      while (!context->IsCancelled() && send(ResultEvent(0, 1, {}))) {
      }
      left_.Notify();
      return grpc::Status::CANCELLED;
    };
  }

  Event left_;
  FakeDaemon daemon_;
  std::unique_ptr<Client> client_ = *Client::Create(daemon_.endpoint());
};

TEST_F(ClientTest, StreamsEveryEventInOrderAndEndsOk) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-7", 3));
    send(ResultEvent(0x1000, 3, v1::PAGE_OUTCOME_MOVED));
    send(SummaryEvent({}));
    return grpc::Status::OK;
  };
  MigrationStream migration = client_->MigratePages({});
  std::vector<v1::MigrationEvent::KindCase> kinds;
  while (auto event = migration.Next()) kinds.push_back(event->kind_case());
  EXPECT_THAT(kinds, ElementsAre(v1::MigrationEvent::kStarted,
                                 v1::MigrationEvent::kResults,
                                 v1::MigrationEvent::kSummary));
  EXPECT_TRUE(migration.Finish().ok());
}

TEST_F(ClientTest, SendsTheRequestAsItIs) {
  daemon_.on_migrate = MoveAll;
  v1::MigratePagesRequest request;
  request.mutable_process()->set_pid(17);
  request.add_batches()->add_addresses(0x7000);
  request.set_request_id("mine");
  EXPECT_TRUE(client_->MigratePages(request).Finish().ok());
  ASSERT_EQ(daemon_.migrate_requests().size(), 1);
  EXPECT_EQ(daemon_.migrate_requests()[0].SerializeAsString(),
            request.SerializeAsString());
}

TEST_F(ClientTest, RefusedCallHasNoEventAndSaysWhy) {
  daemon_.on_migrate = [](const auto&, auto*, const auto&) {
    v1::ErrorDetail detail;
    detail.set_reason(v1::ERROR_REASON_INVALID_REQUEST);
    detail.add_violations()->set_field("batches[0].destination_node");
    detail.add_violations()->set_field("options.mode");
    return Refuse(grpc::StatusCode::INVALID_ARGUMENT, "two fields", detail);
  };
  MigrationStream migration = client_->MigratePages({});
  EXPECT_FALSE(migration.Next().has_value());
  const absl::Status status = migration.Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(status.message(), "two fields");
  const auto detail = ErrorDetailOf(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason(), v1::ERROR_REASON_INVALID_REQUEST);
  ASSERT_EQ(detail->violations_size(), 2);
  EXPECT_EQ(detail->violations(1).field(), "options.mode");
}

TEST_F(ClientTest, FinishDropsWhatWasNotReadAndStaysTheSame) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    for (int i = 0; i < 1000; ++i) send(ResultEvent(i * 4096, 1, {}));
    return Refuse(grpc::StatusCode::INTERNAL, v1::ERROR_REASON_INTERNAL, "bug");
  };
  MigrationStream migration = client_->MigratePages({});
  EXPECT_EQ(migration.Finish().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(migration.Finish().code(), absl::StatusCode::kInternal);
  EXPECT_FALSE(migration.Next().has_value());
}

TEST_F(ClientTest, CancelEndsTheStreamAndTheDaemonNotices) {
  MigrateForever();
  MigrationStream migration = client_->MigratePages({});
  ASSERT_TRUE(migration.Next().has_value());
  migration.Cancel();
  EXPECT_EQ(migration.Finish().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(left_.Wait());
}

TEST_F(ClientTest, DroppedStreamCancelsItsCall) {
  MigrateForever();
  {
    MigrationStream migration = client_->MigratePages({});
    ASSERT_TRUE(migration.Next().has_value());
  }
  EXPECT_TRUE(left_.Wait());
}

TEST_F(ClientTest, StreamOutlivesItsClientAndCanBeMoved) {
  daemon_.on_migrate = MoveAll;
  MigrationStream first = client_->MigratePages({});
  client_.reset();
  MigrationStream second = std::move(first);
  EXPECT_TRUE(second.Next().has_value());
  EXPECT_TRUE(second.Finish().ok());
}

TEST_F(ClientTest, DeadlineEndsACallThatLastsLonger) {
  MigrateForever();
  CallOptions options;
  options.deadline = absl::Now() + absl::Milliseconds(200);
  const absl::Status status = client_->MigratePages({}, options).Finish();
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_FALSE(ErrorDetailOf(status).has_value());
}

TEST_F(ClientTest, MigrateProcessStreamsEvents) {
  daemon_.on_migrate_process = [](const v1::MigrateProcessRequest& request,
                                  auto*, const auto& send) {
    v1::MigrationEvent event;
    event.mutable_process_joined()->mutable_process()->set_pid(
        request.source_nodes(0));
    send(event);
    return grpc::Status::OK;
  };
  v1::MigrateProcessRequest request;
  request.add_source_nodes(5);
  MigrationStream migration = client_->MigrateProcess(request);
  const auto event = migration.Next();
  ASSERT_TRUE(event.has_value());
  EXPECT_EQ(event->process_joined().process().pid(), 5);
  EXPECT_TRUE(migration.Finish().ok());
}

TEST_F(ClientTest, LocatePagesStreamsLocations) {
  daemon_.on_locate = [](const auto&, auto*, const auto& send) {
    v1::LocatePagesResponse response;
    response.add_locations()->set_start_address(0x1000);
    send(response);
    send(response);
    return grpc::Status::OK;
  };
  LocationStream locations = client_->LocatePages({});
  int responses = 0;
  while (auto response = locations.Next()) ++responses;
  EXPECT_EQ(responses, 2);
  EXPECT_TRUE(locations.Finish().ok());
}

TEST_F(ClientTest, UnaryCallsReturnTheAnswer) {
  daemon_.on_list = [](const auto& request, auto* response) {
    response->set_next_page_token(request.page_token() + "+");
    return grpc::Status::OK;
  };
  daemon_.on_cancel = [](const auto& request, auto* response) {
    response->mutable_migration()->set_migration_id(request.migration_id());
    return grpc::Status::OK;
  };
  daemon_.on_topology = [](const auto&, auto* response) {
    response->add_nodes()->set_node(3);
    return grpc::Status::OK;
  };
  daemon_.on_capabilities = [](const auto&, auto* response) {
    response->set_backend("model");
    return grpc::Status::OK;
  };
  daemon_.on_targets = [](const auto&, auto* response) {
    response->add_targets()->set_cgroup("/a");
    return grpc::Status::OK;
  };
  v1::ListMigrationsRequest list;
  list.set_page_token("x");
  EXPECT_EQ(client_->ListMigrations(list)->next_page_token(), "x+");
  v1::CancelMigrationRequest cancel;
  cancel.set_migration_id("m");
  EXPECT_EQ(client_->CancelMigration(cancel)->migration().migration_id(), "m");
  EXPECT_EQ(client_->GetTopology()->nodes(0).node(), 3);
  EXPECT_EQ(client_->GetCapabilities()->backend(), "model");
  EXPECT_EQ(client_->ListTargets()->targets(0).cgroup(), "/a");
}

TEST_F(ClientTest, UnaryRefusalCarriesItsDetail) {
  daemon_.on_cancel = [](const auto&, auto*) {
    return Refuse(grpc::StatusCode::NOT_FOUND,
                  v1::ERROR_REASON_MIGRATION_NOT_FOUND, "no migration m");
  };
  const auto response = client_->CancelMigration({});
  EXPECT_EQ(response.status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(ErrorDetailOf(response.status())->reason(),
            v1::ERROR_REASON_MIGRATION_NOT_FOUND);
}

TEST_F(ClientTest, HealthFollowsTheService) {
  daemon_.SetServing("readiness", true);
  daemon_.SetServing("liveness", false);
  EXPECT_EQ(*client_->CheckHealth("readiness"), ServingStatus::kServing);
  EXPECT_EQ(*client_->CheckHealth("liveness"), ServingStatus::kNotServing);
  EXPECT_EQ(client_->CheckHealth("other").status().code(),
            absl::StatusCode::kNotFound);
}

TEST_F(ClientTest, NoDaemonIsUnavailableWithoutDetail) {
  daemon_.Stop();
  const auto response = client_->GetTopology();
  EXPECT_EQ(response.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(ErrorDetailOf(response.status()).has_value());
}

TEST_F(ClientTest, WaitForReadyWaitsUntilTheDeadline) {
  daemon_.Stop();
  CallOptions options;
  options.wait_for_ready = true;
  options.deadline = absl::Now() + absl::Milliseconds(200);
  EXPECT_EQ(client_->GetTopology(options).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST(ToAbslStatusTest, KeepsCodeAndMessageWhenDetailsAreNotOurs) {
  const absl::Status status = ToAbslStatus(
      grpc::Status(grpc::StatusCode::ABORTED, "gone", "\xff no envelope"));
  EXPECT_EQ(status.code(), absl::StatusCode::kAborted);
  EXPECT_EQ(status.message(), "gone");
  EXPECT_FALSE(ErrorDetailOf(status).has_value());
  EXPECT_TRUE(ToAbslStatus(grpc::Status::OK).ok());
  EXPECT_FALSE(ErrorDetailOf(absl::OkStatus()).has_value());
}

class EndpointTest : public testing::TestWithParam<const char*> {};
using GoodEndpointTest = EndpointTest;
using BadEndpointTest = EndpointTest;

TEST_P(GoodEndpointTest, IsAccepted) {
  EXPECT_TRUE(CreateChannel(GetParam()).ok());
}

INSTANTIATE_TEST_SUITE_P(All, GoodEndpointTest,
                         testing::Values(kDefaultEndpoint, "unix:relative",
                                         "127.0.0.1:1", "127.9.9.9:65535",
                                         "localhost:50051", "[::1]:50051",
                                         "dns:///localhost:7",
                                         "ipv4:127.0.0.1:7"));

TEST_P(BadEndpointTest, IsRefusedByName) {
  const auto channel = CreateChannel(GetParam());
  EXPECT_EQ(channel.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(channel.status().message()), HasSubstr(GetParam()));
  EXPECT_EQ(Client::Create(GetParam()).status().code(),
            absl::StatusCode::kInvalidArgument);
}

INSTANTIATE_TEST_SUITE_P(All, BadEndpointTest,
                         testing::Values("", "unix:", "unix://", "localhost",
                                         "127.0.0.1:0", "127.0.0.1:65536",
                                         "10.0.0.1:80", "example:80", "[::1:80",
                                         "[fe80::1]:80",
                                         "ipv4:127.0.0.1:1,8.8.8.8:2",
                                         "localhost.evil:80"));

}  // namespace
}  // namespace pageferry::client
