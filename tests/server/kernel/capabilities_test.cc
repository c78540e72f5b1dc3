// What the backend says of itself and of the machine.

#include <cerrno>

#include "gmock/gmock.h"
#include "server/kernel/kernel_backend.h"
#include "server/kernel/self_check.h"
#include "tests/server/kernel/kernel_fixture.h"

namespace pageferry::kernel {
namespace {

using core::Capabilities;
using core::Fidelity;
using core::Mode;
using core::NodeId;
using core::PageState;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CapabilitiesTest : public KernelTest {
 protected:
  void Drop(int capability) {
    kernel_.capabilities &= ~(uint64_t{1} << capability);
  }

  // What a daemon that starts now would find.
  Capabilities Read() {
    OpenBackend();
    return backend_->ReadCapabilities();
  }

  static std::string CostOf(const Capabilities& capabilities,
                            absl::string_view name) {
    for (const core::Privilege& privilege : capabilities.privileges) {
      if (privilege.name == name) return privilege.cost_of_lack;
    }
    return "";
  }

  bool Has(const Capabilities& capabilities, absl::string_view name) {
    for (const core::Privilege& privilege : capabilities.privileges) {
      if (privilege.name != name) continue;
      EXPECT_FALSE(privilege.cost_of_lack.empty());
      return privilege.present;
    }
    ADD_FAILURE() << "no privilege " << name;
    return false;
  }
};

TEST_F(CapabilitiesTest, AMachineWithAllRightsIsReady) {
  kernel_.SetFile("/proc/sys/kernel/numa_balancing", "1\n");
  const Capabilities capabilities = Read();
  EXPECT_TRUE(capabilities.ready) << capabilities.not_ready_reason;
  EXPECT_EQ(capabilities.kernel_release, "6.12.0-fake");
  EXPECT_TRUE(capabilities.numa_balancing);
  for (const core::Privilege& privilege : capabilities.privileges) {
    EXPECT_TRUE(privilege.present) << privilege.name;
  }
  ASSERT_EQ(capabilities.modes.size(), 3u);
  EXPECT_THAT(capabilities.modes[0].second,
              ElementsAre(Fidelity::kScreened, Fidelity::kKernel));
  EXPECT_EQ(capabilities.modes[0].first, Mode::kAsync);
  EXPECT_THAT(capabilities.modes[1].second, ElementsAre(Fidelity::kScreened));
  EXPECT_THAT(capabilities.modes[2].second, ElementsAre(Fidelity::kScreened));
  EXPECT_TRUE(capabilities.visible_page_states.Has(PageState::kLocked));
  EXPECT_EQ(kernel_.open_descriptors(), 0u);
}

TEST_F(CapabilitiesTest, EachMissingRightIsTold) {
  Drop(kCapSysNice);
  Drop(kCapSysPtrace);
  Drop(kCapDacReadSearch);
  Drop(kCapSysAdmin);
  const Capabilities capabilities = Read();
  EXPECT_TRUE(capabilities.ready);
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_NICE"));
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_PTRACE"));
  EXPECT_FALSE(Has(capabilities, "CAP_DAC_READ_SEARCH"));
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_ADMIN"));
  EXPECT_TRUE(Has(capabilities, "move_pages"));
}

TEST_F(CapabilitiesTest, RightsThatDoNotCountAreFoundMissing) {
  kernel_.in_user_namespace = true;
  const Capabilities capabilities = Read();
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_NICE"));
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_PTRACE"));
  EXPECT_FALSE(Has(capabilities, "CAP_SYS_ADMIN"));
  EXPECT_FALSE(capabilities.visible_page_states.Has(PageState::kLocked));
}

TEST_F(CapabilitiesTest, TheChildThatIsTriedOnIsGoneAfterwards) {
  Read();
  EXPECT_FALSE(backend_->OpenProcess(FakeKernel::kProbePid, {}).ok());
}

TEST_F(CapabilitiesTest, WithoutAChildTheCapabilityIsBelieved) {
  kernel_.fork_denied = true;
  EXPECT_TRUE(Has(Read(), "CAP_SYS_PTRACE"));
  Drop(kCapSysPtrace);
  EXPECT_FALSE(Has(Read(), "CAP_SYS_PTRACE"));
}

TEST_F(CapabilitiesTest, NodesOutsideTheOwnCpusetAreToldWheneverAsked) {
  EXPECT_TRUE(Has(Read(), "cpuset"));
  kernel_.own()->allowed_nodes = {0};
  const Capabilities capabilities = backend_->ReadCapabilities();
  EXPECT_FALSE(Has(capabilities, "cpuset"));
  EXPECT_THAT(CostOf(capabilities, "cpuset"), HasSubstr("(now: 1)"));
}

TEST_F(CapabilitiesTest, WithoutDamonEveryModeIsScreenedAndTheReasonIsTold) {
  kernel_.damon.writable = false;
  const Capabilities capabilities = Read();
  EXPECT_TRUE(capabilities.ready);
  EXPECT_FALSE(Has(capabilities, "damon"));
  EXPECT_THAT(CostOf(capabilities, "damon"), HasSubstr("nr_kdamonds"));
  EXPECT_THAT(capabilities.modes[0].second, ElementsAre(Fidelity::kScreened));
}

TEST_F(CapabilitiesTest, FidelityKernelNeedsVisibleFrames) {
  Drop(kCapSysAdmin);
  EXPECT_THAT(Read().modes[0].second, ElementsAre(Fidelity::kScreened));
}

TEST_F(CapabilitiesTest, StatesNeedFramesAndTheirFlags) {
  Drop(kCapSysAdmin);
  EXPECT_FALSE(Read().visible_page_states.Has(PageState::kWriteback));
  kernel_.capabilities = ~uint64_t{0};
  kernel_.frame_files_open = false;
  const Capabilities capabilities = Read();
  EXPECT_FALSE(capabilities.visible_page_states.Has(PageState::kWriteback));
  EXPECT_TRUE(capabilities.visible_page_states.Has(PageState::kShared));
  EXPECT_FALSE(Has(capabilities, "kpageflags"));
}

TEST_F(CapabilitiesTest, SeccompMakesTheBackendNotReady) {
  kernel_.seccomp_denies = true;
  const Capabilities capabilities = Read();
  EXPECT_FALSE(capabilities.ready);
  EXPECT_THAT(capabilities.not_ready_reason, HasSubstr("move_pages"));
  EXPECT_THAT(capabilities.not_ready_reason, HasSubstr("seccomp"));
}

TEST_F(CapabilitiesTest, WithoutPidfdOpenTheBackendIsNotReady) {
  kernel_.pidfd_open_denied = true;
  EXPECT_FALSE(Read().ready);
}

TEST_F(CapabilitiesTest, OneMemoryNodeIsNotEnough) {
  kernel_.memory.RemoveNode(1);
  const Capabilities capabilities = Read();
  EXPECT_FALSE(capabilities.ready);
  EXPECT_THAT(capabilities.not_ready_reason, HasSubstr("one NUMA node"));
}

TEST_F(CapabilitiesTest, NumaBalancingIsOffWhereTheKernelHasNone) {
  EXPECT_FALSE(backend_->ReadCapabilities().numa_balancing);
  kernel_.SetFile("/proc/sys/kernel/numa_balancing", "0\n");
  EXPECT_FALSE(backend_->ReadCapabilities().numa_balancing);
}

TEST_F(CapabilitiesTest, EveryModeMayFallBackToScreened) {
  for (const Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    core::MoveParameters parameters;
    parameters.mode = mode;
    parameters.preferred_fidelity = Fidelity::kKernel;
    EXPECT_EQ(backend_->WeakestFidelity(parameters), Fidelity::kScreened);
  }
  EXPECT_EQ(backend_->name(), "kernel");
  EXPECT_GT(backend_->default_initial_backoff(), absl::ZeroDuration());
}

TEST_F(CapabilitiesTest, MemoryNodesAreTheValidDestinations) {
  kernel_.memory.AddNode(5, 1);
  EXPECT_THAT(backend_->MemoryNodes(),
              ElementsAre(NodeId(0), NodeId(1), NodeId(5)));
}

TEST_F(CapabilitiesTest, WithoutProcfsThereIsNoBackend) {
  KernelBackend::Options options;
  options.telemetry = &telemetry_;
  options.system = &kernel_;
  options.proc_root = "/mnt";
  const auto backend = KernelBackend::Create(options);
  ASSERT_FALSE(backend.ok());
  EXPECT_THAT(std::string(backend.status().message()),
              HasSubstr("/mnt is no procfs"));
}

class CountingTelemetry final : public core::Telemetry {
 public:
  std::unique_ptr<core::MigrationMeter> StartMigration(core::Method, Mode,
                                                       bool) override {
    return nullptr;
  }
  void OnKernelCall(Mode mode, absl::Duration length) override {
    calls.emplace_back(mode, length);
  }
  void OnRequestRejected(core::RefusalReason) override {}
  void OnStreamStall(absl::Duration) override {}

  std::vector<std::pair<Mode, absl::Duration>> calls;
};

TEST_F(CapabilitiesTest, TelemetryHearsOfEachMovingCallAndItsLength) {
  CountingTelemetry telemetry;
  KernelBackend::Options options;
  options.telemetry = &telemetry;
  options.system = &kernel_;
  backend_ = *KernelBackend::Create(options);
  kernel_.call_cost = absl::Milliseconds(3);
  FillPages(kBase, 5000);
  Migrate(ToNode1(kBase, 5000));
  EXPECT_THAT(telemetry.calls,
              ElementsAre(std::pair(Mode::kSync, absl::Milliseconds(3)),
                          std::pair(Mode::kSync, absl::Milliseconds(3))));
}

}  // namespace
}  // namespace pageferry::kernel
