#include "server/daemon/backends.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace pageferry::daemon {
namespace {

using ::testing::HasSubstr;

class BackendsTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<core::Backend>> CreateModel(
      const std::string& path) {
    Options options;
    options.backend = BackendKind::kModel;
    options.scenario_path = path;
    return CreateBackend(options, &telemetry_, &clock_);
  }

  core::NullTelemetry telemetry_;
  core::SystemClock clock_;
};

TEST_F(BackendsTest, TheDefaultIsTheKernel) {
  const auto backend = CreateBackend(Options(), &telemetry_, &clock_);
  ASSERT_TRUE(backend.ok()) << backend.status();
  EXPECT_EQ((*backend)->name(), "kernel");
}

TEST_F(BackendsTest, EveryReadyScenarioMakesAModelThatIsReady) {
  int scenarios = 0;
  for (const auto& file :
       std::filesystem::directory_iterator(PAGEFERRY_SCENARIOS)) {
    const auto backend = CreateModel(file.path());
    ASSERT_TRUE(backend.ok()) << backend.status();
    EXPECT_EQ((*backend)->name(), "model");
    EXPECT_TRUE((*backend)->ReadCapabilities().ready) << file.path();
    ++scenarios;
  }
  EXPECT_GE(scenarios, 8);
}

TEST_F(BackendsTest, AScenarioThatIsNotThereIsNamed) {
  const auto backend = CreateModel("/nowhere/machine.textproto");
  ASSERT_FALSE(backend.ok());
  EXPECT_THAT(std::string(backend.status().message()),
              HasSubstr("/nowhere/machine.textproto"));
}

TEST_F(BackendsTest, AWrongScenarioIsToldWithFileLineAndField) {
  char path[] = "/tmp/pageferry-scenario-XXXXXX";
  close(mkstemp(path));
  std::ofstream(path) << "seed: 1\nnodes { id: 0 sized: 7 }\n";
  const auto backend = CreateModel(path);
  unlink(path);
  ASSERT_FALSE(backend.ok());
  const std::string message(backend.status().message());
  EXPECT_THAT(message, HasSubstr(path));
  EXPECT_THAT(message, HasSubstr("2"));
  EXPECT_THAT(message, HasSubstr("sized"));
}

}  // namespace
}  // namespace pageferry::daemon
