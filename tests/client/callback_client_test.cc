#include "pageferry/callback_client.h"

#include <string>
#include <vector>

#include "absl/time/clock.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pageferry/channel.h"
#include "pageferry/error.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client {
namespace {

using ::testing::ElementsAre;

// A callback's outcome, waited for by the test.
class Outcome {
 public:
  CallbackClient::OnDone OnDone() {
    return [this](const absl::Status& status) {
      status_ = status;
      done_.Notify();
    };
  }
  template <typename Response>
  CallbackClient::OnResponse<Response> OnResponse(Response* response) {
    return [this, response](absl::StatusOr<Response> answer) {
      status_ = answer.status();
      if (answer.ok()) *response = *std::move(answer);
      done_.Notify();
    };
  }
  absl::Status Wait() {
    if (!done_.Wait()) return absl::UnknownError("no callback came");
    return status_;
  }

 private:
  Event done_;
  absl::Status status_;
};

class CallbackClientTest : public testing::Test {
 protected:
  FakeDaemon daemon_;
  CallbackClient client_{*CreateChannel(daemon_.endpoint())};
  Outcome outcome_;
};

TEST_F(CallbackClientTest, EveryEventInOrderThenDone) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-1", 2));
    send(ResultEvent(0x1000, 2, v1::PAGE_OUTCOME_MOVED));
    send(SummaryEvent({}));
    return grpc::Status::OK;
  };
  std::vector<v1::MigrationEvent::KindCase> kinds;
  client_.MigratePages(
      {}, {},
      [&](const v1::MigrationEvent& event) {
        kinds.push_back(event.kind_case());
      },
      outcome_.OnDone());
  EXPECT_TRUE(outcome_.Wait().ok());
  EXPECT_THAT(kinds, ElementsAre(v1::MigrationEvent::kStarted,
                                 v1::MigrationEvent::kResults,
                                 v1::MigrationEvent::kSummary));
}

TEST_F(CallbackClientTest, RefusalCarriesItsDetail) {
  daemon_.on_migrate_process = [](const auto&, auto*, const auto&) {
    return Refuse(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_SHUTTING_DOWN,
                  "bye");
  };
  client_.MigrateProcess(
      {}, {}, [](const v1::MigrationEvent&) { FAIL(); }, outcome_.OnDone());
  const absl::Status status = outcome_.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(ErrorDetailOf(status)->reason(), v1::ERROR_REASON_SHUTTING_DOWN);
}

TEST_F(CallbackClientTest, CancelEndsTheCallOnBothSides) {
  Event left;
  Event started;
  daemon_.on_migrate = [&](const auto&, grpc::ServerContext* context,
                           const auto& send) {
    send(StartedEvent("m-1", 1));
    while (!context->IsCancelled() && send(ResultEvent(0, 1, {}))) {
    }
    left.Notify();
    return grpc::Status::CANCELLED;
  };
  CallHandle call = client_.MigratePages(
      {}, {}, [&](const v1::MigrationEvent&) { started.Notify(); },
      outcome_.OnDone());
  ASSERT_TRUE(started.Wait());
  call.Cancel();
  EXPECT_EQ(outcome_.Wait().code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(left.Wait());
  call.Cancel();  // after the end: nothing
}

TEST_F(CallbackClientTest, CallOutlivesItsClient) {
  Event may_answer;
  daemon_.on_locate = [&](const auto&, auto*, const auto& send) {
    may_answer.Wait();
    send(v1::LocatePagesResponse());
    return grpc::Status::OK;
  };
  int responses = 0;
  {
    CallbackClient client(*CreateChannel(daemon_.endpoint()));
    client.LocatePages(
        {}, {}, [&](const v1::LocatePagesResponse&) { ++responses; },
        outcome_.OnDone());
  }
  may_answer.Notify();
  EXPECT_TRUE(outcome_.Wait().ok());
  EXPECT_EQ(responses, 1);
}

TEST_F(CallbackClientTest, DeadlineEndsTheCall) {
  daemon_.on_topology = [](const auto&, auto*) { return grpc::Status::OK; };
  CallOptions options;
  options.deadline = absl::Now() - absl::Seconds(1);
  v1::GetTopologyResponse response;
  client_.GetTopology(options, outcome_.OnResponse(&response));
  EXPECT_EQ(outcome_.Wait().code(), absl::StatusCode::kDeadlineExceeded);
}

TEST_F(CallbackClientTest, UnaryRefusalCarriesItsDetail) {
  v1::ListMigrationsResponse response;
  client_.ListMigrations({}, {}, outcome_.OnResponse(&response));
  const absl::Status status = outcome_.Wait();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_EQ(ErrorDetailOf(status)->reason(), v1::ERROR_REASON_UNSUPPORTED);
}

TEST_F(CallbackClientTest, UnaryCallsHandTheAnswerOn) {
  daemon_.on_cancel = [](const auto& request, auto* response) {
    response->mutable_migration()->set_migration_id(request.migration_id());
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
  v1::CancelMigrationRequest cancel;
  cancel.set_migration_id("m-3");
  v1::CancelMigrationResponse cancelled;
  client_.CancelMigration(cancel, {}, outcome_.OnResponse(&cancelled));
  EXPECT_TRUE(outcome_.Wait().ok());
  EXPECT_EQ(cancelled.migration().migration_id(), "m-3");

  Outcome second;
  v1::GetCapabilitiesResponse capabilities;
  client_.GetCapabilities({}, second.OnResponse(&capabilities));
  EXPECT_TRUE(second.Wait().ok());
  EXPECT_EQ(capabilities.backend(), "model");

  Outcome third;
  v1::ListTargetsResponse targets;
  client_.ListTargets({}, third.OnResponse(&targets));
  EXPECT_TRUE(third.Wait().ok());
  EXPECT_EQ(targets.targets(0).cgroup(), "/a");
}

}  // namespace
}  // namespace pageferry::client
