// The seam itself, on the running kernel.

#include "server/kernel/system_calls.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>

#include "gmock/gmock.h"
#include "server/core/clock.h"
#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::kernel {
namespace {

using ::testing::HasSubstr;
using ::testing::UnorderedElementsAre;

class SystemCallsTest : public ::testing::Test {
 protected:
  SystemCallsTest() {
    std::string pattern = ::testing::TempDir() + "/system_calls_XXXXXX";
    folder_ = mkdtemp(pattern.data());
  }
  ~SystemCallsTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }

  std::string folder_;
  LinuxSystemCalls system_;
};

TEST_F(SystemCallsTest, ReadsTextFilesOfAnyLength) {
  const std::string text(200'000, 'x');
  const auto read = ReadTextFile(system_, Write("long", text));
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(*read, text);
  EXPECT_EQ(*ReadTextFile(system_, Write("empty", "")), "");
}

TEST_F(SystemCallsTest, AMissingFileIsNamed) {
  const auto read = ReadTextFile(system_, folder_ + "/none");
  EXPECT_TRUE(absl::IsNotFound(read.status()));
  EXPECT_THAT(std::string(read.status().message()), HasSubstr("/none"));
  const SystemResult opened = system_.Open(folder_ + "/none");
  EXPECT_EQ(opened.value, -1);
  EXPECT_EQ(opened.error, ENOENT);
  EXPECT_FALSE(opened.ok());
}

TEST_F(SystemCallsTest, WritesFilesThatAreThereByPathAndByFolder) {
  const std::string path = Write("value", "old");
  EXPECT_EQ(system_.WriteFile(kNoDirectory, path, "one").value, 3);
  EXPECT_EQ(*ReadTextFile(system_, path), "one");
  const SystemResult opened = system_.Open(folder_);
  ASSERT_TRUE(opened.ok());
  const Descriptor folder(&system_, static_cast<int>(opened.value));
  EXPECT_TRUE(system_.WriteFile(folder.get(), "value", "two").ok());
  EXPECT_EQ(*ReadTextFile(system_, path), "two");
  EXPECT_EQ(system_.WriteFile(folder.get(), "none", "x").error, ENOENT);
}

TEST_F(SystemCallsTest, AFolderIsNoTextFile) {
  EXPECT_FALSE(ReadTextFile(system_, folder_).ok());
}

TEST_F(SystemCallsTest, ListsNamesWithoutDots) {
  Write("a", "");
  Write("b", "");
  EXPECT_THAT(*system_.ListDirectory(folder_), UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(
      absl::IsNotFound(system_.ListDirectory(folder_ + "/none").status()));
}

TEST_F(SystemCallsTest, KnowsItselfAndTheKernel) {
  EXPECT_EQ(system_.OwnPid(), getpid());
  EXPECT_FALSE(system_.KernelRelease().empty());
}

TEST_F(SystemCallsTest, APidfdTellsThatItsProcessHasExited) {
  int gate[2];
  ASSERT_EQ(pipe(gate), 0);
  const pid_t child = fork();
  if (child == 0) {
    close(gate[1]);
    char byte = 0;
    const ssize_t ignored = read(gate[0], &byte, 1);
    _exit(ignored == 0 ? 0 : 1);
  }
  close(gate[0]);
  const SystemResult opened = system_.PidfdOpen(child);
  if (opened.ok()) {
    const Descriptor pidfd(&system_, static_cast<int>(opened.value));
    EXPECT_EQ(system_.PidfdHasExited(pidfd.get()).value, 0);
    close(gate[1]);
    waitpid(child, nullptr, 0);
    EXPECT_EQ(system_.PidfdHasExited(pidfd.get()).value, 1);
    return;
  }
  close(gate[1]);
  waitpid(child, nullptr, 0);
  GTEST_SKIP() << "pidfd_open is denied here";
}

TEST_F(SystemCallsTest, LocatesAndReadsItsOwnPages) {
  const std::string text(8192, 'x');
  const uint64_t address =
      (reinterpret_cast<uint64_t>(text.data()) + 4095) & ~uint64_t{4095};
  int status = -9999;
  const SystemResult located =
      system_.MovePages(0, {&address, 1}, {}, {&status, 1}, 0);
  if (!located.ok()) GTEST_SKIP() << "move_pages is denied here";
  EXPECT_GE(status, 0);
  const uint64_t addresses[] = {address, 0};
  EXPECT_EQ(system_.ReadFirstBytes(getpid(), addresses).value, 1);
}

TEST(DescriptorTest, ClosesOnceAndMoves) {
  core::FakeClock clock;
  FakeKernel kernel(&clock);
  kernel.SetFile("/a", "1");
  kernel.SetFile("/b", "2");
  Descriptor first(&kernel, static_cast<int>(kernel.Open("/a").value));
  {
    Descriptor second(&kernel, static_cast<int>(kernel.Open("/b").value));
    EXPECT_EQ(kernel.open_descriptors(), 2u);
    first = std::move(second);
    EXPECT_EQ(kernel.open_descriptors(), 1u);
  }
  EXPECT_TRUE(first.open());
  EXPECT_EQ(kernel.open_descriptors(), 1u);
  Descriptor third(std::move(first));
  EXPECT_TRUE(third.open());
  EXPECT_FALSE(Descriptor().open());
}

TEST(ProbeTest, IsAChildWithAPageOfItsOwnUntilItIsEnded) {
  LinuxSystemCalls system;
  const uint64_t page = system.OwnPage();
  EXPECT_EQ(page % 4096, 0u);
  const SystemResult probe = system.StartProbe();
  ASSERT_TRUE(probe.ok());
  const int32_t pid = static_cast<int32_t>(probe.value);
  const SystemResult pidfd = system.PidfdOpen(pid);
  ASSERT_TRUE(pidfd.ok());
  const Descriptor descriptor(&system, static_cast<int>(pidfd.value));
  EXPECT_EQ(system.PidfdHasExited(descriptor.get()).value, 0);
  const std::string folder = "/proc/" + std::to_string(pid);
  const auto status = ReadTextFile(system, folder + "/status");
  ASSERT_TRUE(status.ok());
  EXPECT_THAT(*status, HasSubstr("PPid:\t" + std::to_string(getpid())));
  system.EndProbe(pid);
  EXPECT_EQ(system.PidfdHasExited(descriptor.get()).value, 1);
  EXPECT_FALSE(ReadTextFile(system, folder + "/status").ok());
}

}  // namespace
}  // namespace pageferry::kernel
