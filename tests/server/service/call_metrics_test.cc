// gRPC calls are counted as their clients see them.

#include "server/metrics/call_metrics.h"

#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <string>

#include "server/service/call_interceptor.h"
#include "tests/server/metrics/samples.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;

class CallMetricsTest : public ServiceTest {
 protected:
  CallMetricsTest() : calls_(ServedMethods(), &system_clock_) {
    call_telemetry_ = &calls_;
    backend_.AddPages(kPid, kAddress, 40, {NodeId(0)});
  }

  double Of(const std::string& family, const std::string& method,
            const std::string& code = "") const {
    return metrics::SampleOf(
        *calls_.collectable(),
        "grpc_server_" + family + "{grpc_method=" + method +
            ",grpc_service=pageferry.v1.MigrationService,grpc_type=" +
            (method == "MigratePages" ? "server_stream" : "unary") +
            (code.empty() ? "" : ",grpc_code=" + code) + "}");
  }

  metrics::CallMetrics calls_;
};

TEST_F(CallMetricsTest, AStreamCountsItsMessages) {
  Start();
  EXPECT_EQ(Of("started_total", "MigratePages"), 0);
  const MigrationRecord record = Migrate(Request(40));
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(Of("started_total", "MigratePages"), 1);
  EXPECT_EQ(Of("msg_received_total", "MigratePages"), 1);
  EXPECT_EQ(Of("msg_sent_total", "MigratePages"), record.events.size());
  EXPECT_EQ(Of("handled_total", "MigratePages", "OK"), 1);
  EXPECT_EQ(Of("handling_seconds", "MigratePages"), 1);
}

TEST_F(CallMetricsTest, ARefusalCountsByItsCode) {
  Start();
  EXPECT_FALSE(Migrate(Request(40, 9)).status.ok());
  grpc::ClientContext context;
  v1::CancelMigrationRequest request;
  request.set_migration_id("none");
  v1::CancelMigrationResponse response;
  EXPECT_FALSE(migrations_->CancelMigration(&context, request, &response).ok());
  EXPECT_EQ(Of("handled_total", "MigratePages", "InvalidArgument"), 1);
  EXPECT_EQ(Of("handled_total", "CancelMigration", "NotFound"), 1);
  EXPECT_EQ(Of("started_total", "CancelMigration"), 1);
  EXPECT_EQ(Of("msg_received_total", "CancelMigration"), 1);
  EXPECT_EQ(Of("msg_sent_total", "CancelMigration"), 0);
}

TEST_F(CallMetricsTest, AUnaryCallHasOneMessageEachWay) {
  Start();
  grpc::ClientContext context;
  v1::ListMigrationsResponse response;
  ASSERT_TRUE(
      migrations_
          ->ListMigrations(&context, v1::ListMigrationsRequest(), &response)
          .ok());
  Stop();  // the call ends after its client has the answer
  EXPECT_EQ(Of("started_total", "ListMigrations"), 1);
  EXPECT_EQ(Of("msg_received_total", "ListMigrations"), 1);
  EXPECT_EQ(Of("msg_sent_total", "ListMigrations"), 1);
  EXPECT_EQ(Of("handled_total", "ListMigrations", "OK"), 1);
  EXPECT_EQ(Of("handling_seconds", "ListMigrations"), 1);
}

TEST_F(CallMetricsTest, AClientThatGoesAwayIsACancelledCall) {
  Start();
  backend_.call_gate().Close();
  {
    grpc::ClientContext context;
    const auto reader = migrations_->MigratePages(&context, Request(40));
    v1::MigratePagesResponse response;
    ASSERT_TRUE(reader->Read(&response));
    context.TryCancel();
    EXPECT_FALSE(reader->Finish().ok());
  }
  AwaitStop(*registry_->List().at(0));  // the server knows as well
  backend_.call_gate().Open();
  ASSERT_TRUE(service_->AwaitIdle(absl::InfiniteDuration()));
  Stop();
  EXPECT_EQ(Of("started_total", "MigratePages"), 1);
  EXPECT_EQ(Of("handled_total", "MigratePages", "Canceled"), 1);
  EXPECT_EQ(Of("handled_total", "MigratePages", "OK"), 0);
}

TEST_F(CallMetricsTest, MadeUpMethodsAreNotCounted) {
  Start();
  grpc::GenericStub stub(NewChannel());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const auto call = stub.PrepareUnaryCall(&context, "/made.up/Method",
                                          grpc::ByteBuffer(), &queue);
  call->StartCall();
  grpc::ByteBuffer response;
  grpc::Status status;
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  for (const auto& family : calls_.collectable()->Collect()) {
    for (const auto& metric : family.metric) {
      EXPECT_EQ(metric.counter.value, 0) << family.name;
      EXPECT_EQ(metric.histogram.sample_count, 0u) << family.name;
    }
  }
}

}  // namespace
}  // namespace pageferry::service
