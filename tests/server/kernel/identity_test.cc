// Processes that exit, are replaced or close themselves while they are looked
// at and moved; and those that are refused from the start.

#include <cerrno>

#include "gmock/gmock.h"
#include "server/kernel/process_identity.h"
#include "server/kernel/self_check.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Reason;
using core::RefusalReason;
using core::StopReason;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class IdentityTest : public KernelTest {
 protected:
  RefusalReason RefusalToOpen(int32_t pid,
                              absl::optional<uint64_t> start_time = {}) {
    const auto target = backend_->OpenProcess(pid, start_time);
    EXPECT_FALSE(target.ok());
    return target.ok() ? RefusalReason::kInternal
                       : core::RefusalOf(target.status()).reason;
  }
};

TEST_F(IdentityTest, ExitInMidCallBelievesNoStatus) {
  FillPages(kBase, 100);
  kernel_.after_move = [this](int) { kernel_.Exit(kPid); };
  Migrate(ToNode1(kBase, 100));
  EXPECT_EQ(summary_.moved_pages, 0u);
  EXPECT_EQ(NotAttempted(Reason::kProcessExited), 100u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kProcessExited);
  EXPECT_EQ(summary_.kernel_calls, 1u);
}

TEST_F(IdentityTest, PagesOfAStrangerWithTheSamePidAreNotReported) {
  FillPages(kBase, 100);
  kernel_.before_move = [this](int) {
    kernel_.Exit(kPid);
    FakeProcess* stranger = kernel_.AddProcess(kPid, /*start_time_ticks=*/2000);
    stranger->Map(kBase, 100);
    for (uint64_t i = 0; i < 100; ++i) {
      stranger->Put(kBase + i, kernel_.memory.Place(0));
    }
  };
  Migrate(ToNode1(kBase, 100));
  ASSERT_EQ(kernel_.moves.size(), 1u);
  EXPECT_EQ(kernel_.moves[0].result.value, 0);  // the stranger's did move
  EXPECT_EQ(summary_.moved_pages, 0u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kProcessExited);
}

TEST_F(IdentityTest, ExitBetweenCallsKeepsWhatWasSettled) {
  parameters_.mode = core::Mode::kAsync;
  FillPages(kBase, 1024);
  kernel_.after_move = [this](int) {
    if (process_->NodeOf(kBase + 600) == 1) kernel_.Exit(kPid);
  };
  Migrate(ToNode1(kBase, 1024));
  EXPECT_GE(summary_.moved_pages, 512u);
  EXPECT_LT(summary_.moved_pages, 700u);
  EXPECT_EQ(summary_.moved_pages + NotAttempted(Reason::kProcessExited), 1024u);
}

TEST_F(IdentityTest, ExecInMidCallIsAnExit) {
  FillPages(kBase, 10);
  kernel_.after_move = [this](int) { kernel_.Exec(kPid); };
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(NotAttempted(Reason::kProcessExited), 10u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kProcessExited);
}

TEST_F(IdentityTest, ExitBetweenPassesIsSeenByTheNextLook) {
  FillPages(kBase, 10);
  FolioOf(kBase)->pinned = true;
  observer_.after_pass = [this](uint32_t pass) {
    if (pass == 0) kernel_.Exit(kPid);
  };
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(summary_.moved_pages, 9u);
  EXPECT_EQ(NotAttempted(Reason::kProcessExited), 1u);
}

TEST_F(IdentityTest, PermissionLostEndsTheMigration) {
  FillPages(kBase, 10);
  kernel_.before_move = [this](int) { process_->access_denied = true; };
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(NotAttempted(Reason::kPermissionLost), 10u);
  EXPECT_EQ(summary_.stop_reason, StopReason::kPermissionLost);
}

TEST_F(IdentityTest, PermissionLostAfterTheCallIsToldByTheLook) {
  FillPages(kBase, 10);
  FolioOf(kBase)->pinned = true;
  kernel_.after_move = [this](int) { process_->access_denied = true; };
  Migrate(ToNode1(kBase, 10));
  EXPECT_EQ(NotAttempted(Reason::kPermissionLost), 10u);
}

TEST_F(IdentityTest, OpensAProcessByPidAndStartTime) {
  const auto target = backend_->OpenProcess(kPid, 1000);
  ASSERT_TRUE(target.ok()) << target.status();
  EXPECT_EQ((*target)->id(), (core::ProcessId{kPid, 1000}));
}

TEST_F(IdentityTest, AnotherStartTimeIsAnotherProcess) {
  EXPECT_EQ(RefusalToOpen(kPid, 999), RefusalReason::kProcessReplaced);
}

TEST_F(IdentityTest, MissingProcessesAreNotFound) {
  EXPECT_EQ(RefusalToOpen(101), RefusalReason::kProcessNotFound);
  EXPECT_EQ(RefusalToOpen(-5), RefusalReason::kProcessNotFound);
  EXPECT_EQ(RefusalToOpen(0), RefusalReason::kProcessNotFound);
}

TEST_F(IdentityTest, AProcessThatExitsWhileItIsOpenedIsNotFound) {
  kernel_.before_open = [this](const std::string& path) {
    if (path == "/proc/100/pagemap") kernel_.Exit(kPid);
  };
  EXPECT_EQ(RefusalToOpen(kPid), RefusalReason::kProcessNotFound);
}

TEST_F(IdentityTest, APidThatIsReusedWhileItIsOpenedIsNotFound) {
  kernel_.before_open = [this](const std::string& path) {
    if (path != "/proc/100/stat") return;
    kernel_.Exit(kPid);
    kernel_.AddProcess(kPid, 2000);
  };
  EXPECT_EQ(RefusalToOpen(kPid), RefusalReason::kProcessNotFound);
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

TEST_F(IdentityTest, WhatIsNeverMovedIsRefused) {
  kernel_.AddProcess(1);
  EXPECT_EQ(RefusalToOpen(1), RefusalReason::kTargetNotMovable);
  EXPECT_EQ(RefusalToOpen(FakeKernel::kOwnPid),
            RefusalReason::kTargetNotMovable);
  kernel_.AddProcess(2)->kernel_thread = true;
  EXPECT_EQ(RefusalToOpen(2), RefusalReason::kTargetNotMovable);
  process_->state = 'Z';
  EXPECT_EQ(RefusalToOpen(kPid), RefusalReason::kTargetNotMovable);
}

TEST_F(IdentityTest, ACommandNameWithParenthesesDoesNotConfuse) {
  process_->command = "a) Z (b c";
  EXPECT_TRUE(backend_->OpenProcess(kPid, 1000).ok());
}

TEST_F(IdentityTest, APagemapOfAnotherUserNamesTheMissingRight) {
  process_->pagemap_denied = true;
  const auto target = backend_->OpenProcess(kPid, absl::nullopt);
  const core::Refusal refusal = core::RefusalOf(target.status());
  EXPECT_EQ(refusal.reason, RefusalReason::kKernelRefuses);
  EXPECT_THAT(refusal.missing, HasSubstr("CAP_DAC_READ_SEARCH"));
}

TEST_F(IdentityTest, SeccompThatForbidsPidfdOpenIsNamed) {
  kernel_.pidfd_open_denied = true;
  const auto target = backend_->OpenProcess(kPid, absl::nullopt);
  EXPECT_EQ(core::RefusalOf(target.status()).missing, "seccomp: pidfd_open");
}

TEST_F(IdentityTest, DeniedAccessNamesCapSysPtrace) {
  process_->access_denied = true;
  const core::Refusal refusal = RefusalToMove();
  EXPECT_EQ(refusal.reason, RefusalReason::kKernelRefuses);
  EXPECT_EQ(refusal.missing, "CAP_SYS_PTRACE");
}

TEST_F(IdentityTest, SeccompThatForbidsMovePagesIsNamed) {
  kernel_.seccomp_denies = true;
  const core::Refusal refusal = RefusalToMove();
  EXPECT_EQ(refusal.reason, RefusalReason::kKernelRefuses);
  EXPECT_EQ(refusal.missing, "seccomp: move_pages");
}

TEST_F(IdentityTest, SharedPagesNeedCapSysNice) {
  kernel_.capabilities &= ~(uint64_t{1} << kCapSysNice);
  parameters_.move_shared = true;
  const core::Refusal refusal = RefusalToMove();
  EXPECT_EQ(refusal.reason, RefusalReason::kKernelRefuses);
  EXPECT_THAT(refusal.missing, HasSubstr("CAP_SYS_NICE"));

  parameters_.move_shared = false;
  FillPages(kBase, 1);
  Migrate(ToNode1(kBase, 1));
  EXPECT_EQ(summary_.moved_pages, 1u);
}

TEST_F(IdentityTest, ANodeOutsideTheTargetsCpusetIsRefused) {
  process_->allowed_nodes = {0};
  const core::Refusal refusal = RefusalToMove();
  EXPECT_EQ(refusal.reason, RefusalReason::kNodeNotAllowed);
  EXPECT_THAT(refusal.message,
              HasSubstr("node 1 is outside the cpuset of process 100, which "
                        "allows memory on nodes 0"));
}

TEST_F(IdentityTest, ANodeOutsideTheServicesCpusetIsRefused) {
  kernel_.own()->allowed_nodes = {0};
  const core::Refusal refusal = RefusalToMove();
  EXPECT_EQ(refusal.reason, RefusalReason::kNodeNotAllowed);
  EXPECT_THAT(refusal.message, HasSubstr("cpuset of pageferryd itself"));
}

TEST_F(IdentityTest, AFallbackNodeOutsideTheCpusetIsRefusedToo) {
  const core::PageList pages =
      core::ListOf({{core::VirtualAddress::OfPage(kBase), 1}},
                   {core::NodeId(1), core::NodeId(7)});
  const auto mover = OpenTarget()->NewMover(pages, parameters_);
  EXPECT_THAT(std::string(mover.status().message()),
              HasSubstr("node 7 is outside"));
}

TEST_F(IdentityTest, AMoverOfAProcessThatExitedIsRefused) {
  const auto target = OpenTarget();
  kernel_.Exit(kPid);
  const core::PageList pages = ToNode1(kBase, 1);
  const auto mover = target->NewMover(pages, parameters_);
  EXPECT_EQ(core::RefusalOf(mover.status()).reason,
            RefusalReason::kProcessNotFound);
}

TEST(ProcessStatTest, TheNameEndsAtTheLastParenthesis) {
  const auto stat = ParseProcessStat(
      "7 (x) R (y)) S 1 7 7 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 98765 1 2\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_EQ(stat->state, 'S');
  EXPECT_EQ(stat->start_time_ticks, 98765u);
  EXPECT_FALSE(stat->kernel_thread);
}

TEST(ProcessStatTest, KernelThreadsHaveTheirFlag) {
  const auto stat = ParseProcessStat(
      "2 (kthreadd) S 0 0 0 0 -1 2129984 0 0 0 0 0 0 0 0 20 0 1 0 3 0 0\n");
  ASSERT_TRUE(stat.ok());
  EXPECT_TRUE(stat->kernel_thread);
}

TEST(ProcessStatTest, OtherTextIsRefused) {
  EXPECT_FALSE(ParseProcessStat("").ok());
  EXPECT_FALSE(ParseProcessStat("7 x S 1").ok());
  EXPECT_FALSE(ParseProcessStat("7 (x) S 1 7").ok());
  EXPECT_FALSE(ParseProcessStat("7 (x) S 1 7 7 0 -1 flags 1 2 3 4 5 6 7 8 20 0 "
                                "1 0 98765 1 2")
                   .ok());
}

}  // namespace
}  // namespace pageferry::kernel
