#include "server/kernel/cgroup.h"

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/core/refusal.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::RefusalReason;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

// A folder tree in the shape of cgroupfs.
class CgroupTest : public ::testing::Test {
 protected:
  CgroupTest() {
    std::string name = "/tmp/pageferry-cgroup-XXXXXX";
    root_ = mkdtemp(name.data());
    Add("", "1\n2\n");
  }
  ~CgroupTest() override { std::filesystem::remove_all(root_); }

  void Add(const std::string& path, const std::string& pids) {
    std::filesystem::create_directories(root_ + path);
    std::ofstream(root_ + path + "/cgroup.procs") << pids;
    std::ofstream(root_ + path + "/memory.max") << "max\n";
  }

  RefusalReason Refused(const std::string& path) {
    return core::RefusalOf(ListPids(system_, root_, path).status()).reason;
  }

  LinuxSystemCalls system_;
  std::string root_;
};

TEST_F(CgroupTest, ListsWhatIsInTheCgroupAndBelow) {
  Add("/pod", "");
  Add("/pod/a.scope", "30\n10\n");
  Add("/pod/b", "20\n");
  Add("/pod/b/deep", "25\n10\n");
  Add("/podx", "99\n");
  EXPECT_THAT(*ListPids(system_, root_, "/pod"), ElementsAre(10, 20, 25, 30));
  EXPECT_THAT(*ListPids(system_, root_, "/pod/b"), ElementsAre(10, 20, 25));
  EXPECT_THAT(*ListPids(system_, root_, "/"),
              ElementsAre(1, 2, 10, 20, 25, 30, 99));
}

TEST_F(CgroupTest, AnEmptyCgroupHasNone) {
  Add("/empty", "");
  EXPECT_THAT(*ListPids(system_, root_, "/empty"), IsEmpty());
}

TEST_F(CgroupTest, ProcessesOfOtherPidNamespacesCannotBeNamed) {
  Add("/mixed", "0\n7\n0\n");
  EXPECT_THAT(*ListPids(system_, root_, "/mixed"), ElementsAre(7));
}

TEST_F(CgroupTest, WhatIsNotThereIsNotFound) {
  EXPECT_EQ(Refused("/absent"), RefusalReason::kCgroupNotFound);
}

TEST_F(CgroupTest, AThreadedCgroupHasNoProcessesOfItsOwn) {
  // Stands for the EOPNOTSUPP of cgroup.procs there: it cannot be read.
  Add("/threaded", "");
  std::filesystem::remove(root_ + "/threaded/cgroup.procs");
  EXPECT_EQ(Refused("/threaded"), RefusalReason::kTargetNotMovable);
}

TEST_F(CgroupTest, WithoutAHierarchyThereAreNoCgroups) {
  std::filesystem::remove(root_ + "/cgroup.procs");
  EXPECT_EQ(Refused("/pod"), RefusalReason::kUnsupported);
}

class CgroupProcessesTest : public KernelTest {};

TEST_F(CgroupProcessesTest, APidThatChangesHandsMeanwhileNamesNobody) {
  kernel_.SetFile("/sys/fs/cgroup/cgroup.procs", "");
  kernel_.SetFile("/sys/fs/cgroup/a/cgroup.procs", "100\n200\n");
  kernel_.AddProcess(200);
  kernel_.before_open = [this](const std::string& path) {
    // 200 leaves the cgroup, or its pid gets another bearer.
    if (path == "/proc/200/stat") {
      kernel_.SetFile("/sys/fs/cgroup/a/cgroup.procs", "100\n");
    }
  };
  EXPECT_THAT(*backend_->ListCgroup("/a"),
              ElementsAre(core::ProcessId{100, 1000}));
}

TEST_F(CgroupProcessesTest, InitAndTheServiceItselfAreLeftOut) {
  kernel_.SetFile("/sys/fs/cgroup/cgroup.procs",
                  "1\n100\n" + std::to_string(FakeKernel::kOwnPid) + "\n");
  EXPECT_THAT(*backend_->ListCgroup("/"),
              ElementsAre(core::ProcessId{100, 1000}));
}

TEST_F(CgroupProcessesTest, ProcessesHaveTheirStartTimesAndGhostsAreLeftOut) {
  kernel_.SetFile("/sys/fs/cgroup/cgroup.procs", "");
  kernel_.SetFile("/sys/fs/cgroup/a/cgroup.procs", "100\n777\n300\n");
  kernel_.AddProcess(300, 31);
  kernel_.SetFile("/proc/300/stat",
                  "300 (x) Z 1 1 1 0 -1 4194560 1 1 1 1 1 1 "
                  "1 1 20 0 1 0 31 1 1");
  const auto processes = backend_->ListCgroup("/a");
  ASSERT_TRUE(processes.ok()) << processes.status();
  EXPECT_THAT(*processes, ElementsAre(core::ProcessId{100, 1000}));
}

}  // namespace
}  // namespace pageferry::kernel
