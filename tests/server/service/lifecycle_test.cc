// The gRPC server around the service: health, reflection, listeners, shutdown.

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using grpc::StatusCode;
using testing::HasSubstr;
using testing::StartsWith;

// Calls a unary or streaming method with a raw message; returns the first
// answer's bytes, or the status.
struct RawAnswer {
  grpc::Status status;
  std::string bytes;
};

RawAnswer CallRaw(const std::shared_ptr<grpc::Channel>& channel,
                  const std::string& method, const std::string& request) {
  grpc::GenericStub stub(channel);
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice slice(request);
  const grpc::ByteBuffer buffer(&slice, 1);
  const auto call = stub.PrepareUnaryCall(&context, method, buffer, &queue);
  call->StartCall();
  RawAnswer answer;
  grpc::ByteBuffer response;
  call->Finish(&response, &answer.status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  queue.Next(&tag, &ok);
  std::vector<grpc::Slice> slices;
  if (answer.status.ok() && response.Dump(&slices).ok()) {
    for (const grpc::Slice& part : slices) {
      answer.bytes.append(reinterpret_cast<const char*>(part.begin()),
                          part.size());
    }
  }
  return answer;
}

// grpc.health.v1: HealthCheckRequest{string service = 1}, and
// HealthCheckResponse{ServingStatus status = 1}: 1 SERVING, 2 NOT_SERVING.
RawAnswer CheckHealth(const std::shared_ptr<grpc::Channel>& channel,
                      const std::string& service) {
  std::string request;
  if (!service.empty()) {
    request =
        absl::StrCat("\x0a", std::string(1, char(service.size())), service);
  }
  return CallRaw(channel, "/grpc.health.v1.Health/Check", request);
}

constexpr char kServing[] = "\x08\x01";
constexpr char kNotServing[] = "\x08\x02";

// Whether the server has the reflection service: it opens a stream for it.
bool HasReflection(const std::shared_ptr<grpc::Channel>& channel) {
  // ServerReflectionRequest{string list_services = 7}
  return CallRaw(channel,
                 "/grpc.reflection.v1alpha.ServerReflection/"
                 "ServerReflectionInfo",
                 std::string("\x3a\x01*"))
             .status.error_code() != StatusCode::UNIMPLEMENTED;
}

class LifecycleTest : public ServiceTest {};

TEST_F(LifecycleTest, IsAliveFromTheStartAndReadyWhenTold) {
  Start();
  const auto channel = NewChannel();
  EXPECT_EQ(CheckHealth(channel, "liveness").bytes, kServing);
  EXPECT_EQ(CheckHealth(channel, "readiness").bytes, kNotServing);
  EXPECT_EQ(CheckHealth(channel, "").bytes, kNotServing);
  server_->SetReady(true);
  EXPECT_EQ(CheckHealth(channel, "readiness").bytes, kServing);
  EXPECT_EQ(CheckHealth(channel, "").bytes, kServing);
  server_->SetReady(false);
  EXPECT_EQ(CheckHealth(channel, "readiness").bytes, kNotServing);
  EXPECT_EQ(CheckHealth(channel, "liveness").bytes, kServing);
  EXPECT_EQ(CheckHealth(channel, "other").status.error_code(),
            StatusCode::NOT_FOUND);
}

TEST_F(LifecycleTest, AServerWithoutServicesAnswersHealthAndNothingElse) {
  auto server = Server::Create({{{"127.0.0.1:0", ""}}, {}, false});
  ASSERT_TRUE(server.ok()) << server.status();
  const std::string address = (*server)->addresses().at(0);
  EXPECT_THAT(address, StartsWith("127.0.0.1:"));
  EXPECT_NE(address, "127.0.0.1:0");
  const auto channel =
      grpc::CreateChannel(address, grpc::InsecureChannelCredentials());
  EXPECT_EQ(CheckHealth(channel, "liveness").bytes, kServing);
  const auto stub = v1::NodeService::NewStub(channel);
  grpc::ClientContext context;
  v1::GetTopologyResponse response;
  EXPECT_EQ(stub->GetTopology(&context, {}, &response).error_code(),
            StatusCode::UNIMPLEMENTED);
  EXPECT_FALSE(HasReflection(channel));
}

TEST_F(LifecycleTest, WithoutTheFlagThereIsNoReflection) {
  Start();
  EXPECT_FALSE(HasReflection(NewChannel()));
}

TEST_F(LifecycleTest, WithTheFlagThereIsReflection) {
  reflection_ = true;
  Start();
  EXPECT_TRUE(HasReflection(NewChannel()));
}

TEST_F(LifecycleTest, TwoServersDoNotShareAPort) {
  const auto first = Server::Create({{{"127.0.0.1:0", ""}}, {}, false});
  ASSERT_TRUE(first.ok());
  const std::string address = (*first)->addresses().at(0);
  const auto second = Server::Create({{{address, ""}}, {}, false});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("cannot listen on " + address));
}

TEST_F(LifecycleTest, TwoServersDoNotShareASocket) {
  Start();
  const Endpoint endpoint{absl::StrCat("unix:", folder_.Path("s")),
                          folder_.Path("s")};
  const auto second = Server::Create({{endpoint}, {}, false});
  EXPECT_THAT(std::string(second.status().message()),
              HasSubstr("another daemon listens"));
  EXPECT_EQ(CheckHealth(NewChannel(), "liveness").bytes, kServing);
}

TEST_F(LifecycleTest, ASocketIsGoneAfterwards) {
  Start();
  EXPECT_EQ(access(folder_.Path("s").c_str(), F_OK), 0);
  Stop();
  EXPECT_NE(access(folder_.Path("s").c_str(), F_OK), 0);
}

TEST_F(LifecycleTest, ShutdownCancelsWhatOutlastsItsTimeout) {
  backend_.AddPages(kPid, kAddress, 16, {NodeId(0)});
  backend_.SetBatchPages(4);
  backend_.call_gate().Close();
  Start();
  grpc::ClientContext context;
  const auto reader = migrations_->MigratePages(&context, Request(16));
  backend_.call_gate().AwaitWaiting(1);
  // Though a kernel call hangs, the call ends.
  server_->Shutdown(absl::ZeroDuration());
  EXPECT_FALSE(ReadAll(reader.get()).status.ok());
  EXPECT_EQ(registry_->running(core::Mode::kAsync), 1u);
  backend_.call_gate().Open();
  EXPECT_TRUE(registry_->AwaitIdle(absl::InfiniteDuration()));
}

TEST_F(LifecycleTest, ManyClientsAreServedAtATime) {
  backend_.AddPages(kPid, kAddress, 64, {NodeId(0)});
  Start();
  std::vector<std::thread> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back([this, i] {
      const auto stub = v1::MigrationService::NewStub(NewChannel());
      for (int round = 0; round < 10; ++round) {
        grpc::ClientContext context;
        const auto reader =
            stub->MigratePages(&context, Request(64, (i + round) % 3));
        const MigrationRecord record = ReadAll(reader.get());
        EXPECT_TRUE(record.status.ok());
        EXPECT_EQ(record.summary->moved_pages() +
                      record.summary->already_placed_pages(),
                  64u);
      }
    });
  }
  for (std::thread& client : clients) client.join();
}

}  // namespace
}  // namespace pageferry::service
