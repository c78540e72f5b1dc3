#include "server/metrics/metrics_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <memory>
#include <string>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "server/core/registry.h"
#include "server/metrics/collectors.h"
#include "server/metrics/telemetry.h"
#include "tests/server/metrics/samples.h"

namespace pageferry::metrics {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

// What GET `path` answers at "127.0.0.1:PORT", header and all.
std::string Get(const std::string& address, const std::string& path) {
  int port = 0;
  EXPECT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port));
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in to = {};
  to.sin_family = AF_INET;
  to.sin_port = htons(port);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(descriptor, reinterpret_cast<sockaddr*>(&to), sizeof(to)),
            0);
  const std::string request = absl::StrCat(
      "GET ", path, " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(write(descriptor, request.data(), request.size()),
            static_cast<ssize_t>(request.size()));
  std::string answer;
  char buffer[4096];
  ssize_t count = 0;
  while ((count = read(descriptor, buffer, sizeof(buffer))) > 0) {
    answer.append(buffer, count);
  }
  close(descriptor);
  return answer;
}

std::shared_ptr<prometheus::Collectable> FreshTelemetry() {
  // The registry lives on when the telemetry that filled it is gone.
  PrometheusTelemetry telemetry({"1.0", "abc", "kernel"});
  const std::vector<core::NodeId> nodes = {core::NodeId(0), core::NodeId(1)};
  telemetry.AddNodes(nodes);
  return telemetry.collectable();
}

TEST(MetricsServerTest, ServesOnThePortThatWasChosen) {
  const auto server = MetricsServer::Create("127.0.0.1:0", {FreshTelemetry()});
  ASSERT_TRUE(server.ok()) << server.status();
  EXPECT_THAT((*server)->address(), StartsWith("127.0.0.1:"));
  EXPECT_NE((*server)->address(), "127.0.0.1:0");
  const std::string answer = Get((*server)->address(), "/metrics");
  EXPECT_THAT(answer, StartsWith("HTTP/1.1 200"));
  EXPECT_THAT(answer, HasSubstr("pageferry_build_info{"));
}

TEST(MetricsServerTest, ServesNothingElse) {
  const auto server = MetricsServer::Create("127.0.0.1:0", {FreshTelemetry()});
  ASSERT_TRUE(server.ok());
  EXPECT_THAT(Get((*server)->address(), "/"), StartsWith("HTTP/1.1 404"));
}

TEST(MetricsServerTest, SaysWhenAnAddressCannotBeHad) {
  const auto first = MetricsServer::Create("127.0.0.1:0", {});
  ASSERT_TRUE(first.ok());
  for (const std::string& address :
       {(*first)->address(), std::string("192.0.2.1:1"),
        std::string("nonsense")}) {
    const auto second = MetricsServer::Create(address, {});
    ASSERT_FALSE(second.ok()) << address;
    EXPECT_EQ(second.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(second.status().message()),
                HasSubstr("cannot serve metrics on " + address));
  }
}

TEST(MetricsServerTest, PromtoolFindsNothingToMend) {
  if (system("command -v promtool >/dev/null 2>&1") != 0) {
    GTEST_SKIP() << "promtool is not installed";
  }
  core::SystemClock clock;
  core::MigrationRegistry registry({}, &clock);
  const std::string text = absl::StrCat(TextOf(*FreshTelemetry()),
                                        TextOf(RegistryCollector(&registry)),
                                        TextOf(ProcCollector("/proc")));
  FILE* promtool = popen(
      "promtool check metrics 2>&1 | tee /dev/stderr | "
      "wc -c | grep -qx 0",
      "w");
  ASSERT_NE(promtool, nullptr);
  EXPECT_EQ(fwrite(text.data(), 1, text.size(), promtool), text.size());
  EXPECT_EQ(pclose(promtool), 0);
}

}  // namespace
}  // namespace pageferry::metrics
