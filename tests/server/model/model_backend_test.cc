#include "server/model/model_backend.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using core::PageState;
using core::RefusalReason;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;

constexpr absl::string_view kMachine = R"pb(
  traits { numa_balancing: true }
  nodes {
    id: 2
    capacity_pages: 100
    tier: 8
    distances: [ 10, 25, 20, 30 ]
    read_latency_ns: 250
  }
  nodes {
    id: 0
    capacity_pages: 200
    has_cpu: true
    tier: 4
    distances: [ 25, 10, 15, 30 ]
  }
  nodes {
    id: 1
    capacity_pages: 50
    tier: 8
    distances: [ 20, 15, 10, 30 ]
  }
  nodes { id: 5 has_cpu: true }
  files {
    name: "f"
    pages: 8
    placements { node: 1 }
  }
  processes {
    pid: 10
    name: "db"
    cgroup: "/apps/db"
    regions {
      start_address: 0x10000
      pages: 16
      placements { node: 0 }
    }
    regions {
      start_address: 0x20000
      pages: 8
      kind: REGION_KIND_FILE
      source: "f"
    }
  }
  processes { pid: 11 start_time_ticks: 77 allowed_nodes: 1 }
  processes { pid: 12 not_movable: true }
)pb";

class ModelBackendTest : public testing::Test {
 protected:
  RefusalReason OpenRefusal(int32_t pid,
                            absl::optional<uint64_t> start = absl::nullopt) {
    const auto target = model_.backend->OpenProcess(pid, start);
    EXPECT_FALSE(target.ok());
    return core::RefusalOf(target.status()).reason;
  }

  TestModel model_{kMachine};
};

TEST_F(ModelBackendTest, IsTheModelAndSaysSo) {
  EXPECT_EQ(model_.backend->name(), "model");
  EXPECT_EQ(model_.backend->WeakestFidelity({}), core::Fidelity::kModel);
  EXPECT_EQ(model_.backend->default_initial_backoff(), absl::ZeroDuration());
  const core::Capabilities capabilities = model_.backend->ReadCapabilities();
  EXPECT_TRUE(capabilities.ready);
  EXPECT_TRUE(capabilities.numa_balancing);
  EXPECT_THAT(capabilities.kernel_release, HasSubstr("model"));
  EXPECT_THAT(
      capabilities.modes,
      ElementsAre(
          Pair(core::Mode::kAsync, ElementsAre(core::Fidelity::kModel)),
          Pair(core::Mode::kSyncLight, ElementsAre(core::Fidelity::kModel)),
          Pair(core::Mode::kSync, ElementsAre(core::Fidelity::kModel))));
  EXPECT_TRUE(capabilities.visible_page_states.Has(PageState::kKsm));
  EXPECT_FALSE(capabilities.visible_page_states.Has(PageState::kHwpoison));
}

TEST_F(ModelBackendTest, TopologyIsThatOfTheScenarioInOrder) {
  const auto topology = model_.backend->ReadTopology();
  ASSERT_TRUE(topology.ok());
  ASSERT_EQ(topology->nodes.size(), 4u);
  EXPECT_THAT(model_.backend->MemoryNodes(),
              ElementsAre(NodeId(0), NodeId(1), NodeId(2)));
  const core::Node& fast = topology->nodes[0];
  EXPECT_EQ(fast.id, NodeId(0));
  EXPECT_TRUE(fast.has_cpu);
  EXPECT_EQ(fast.tier, 4);
  EXPECT_THAT(fast.distances,
              ElementsAre(Pair(NodeId(0), 10), Pair(NodeId(1), 15),
                          Pair(NodeId(2), 25), Pair(NodeId(5), 30)));
  EXPECT_THAT(fast.demotion_order, ElementsAre(NodeId(1), NodeId(2)));
  const core::Node& slow = topology->nodes[2];
  EXPECT_EQ(slow.performance.read_latency_ns, 250u);
  EXPECT_FALSE(slow.performance.write_latency_ns.has_value());
  EXPECT_TRUE(slow.demotion_order.empty());
  EXPECT_FALSE(topology->nodes[3].has_memory);
}

TEST_F(ModelBackendTest, NodeMemoryIsCounted) {
  const auto topology = model_.backend->ReadTopology();
  const core::NodeMemory& fast = topology->nodes[0].memory;
  EXPECT_EQ(fast.total_bytes, 200 * core::kPageBytes);
  EXPECT_EQ(fast.free_bytes, 184 * core::kPageBytes);
  EXPECT_EQ(fast.anonymous_bytes, 16 * core::kPageBytes);
  EXPECT_EQ(fast.file_bytes, 0u);
  EXPECT_EQ(topology->nodes[1].memory.file_bytes, 8 * core::kPageBytes);
}

TEST_F(ModelBackendTest, ListsItsProcesses) {
  const auto processes = model_.backend->Processes();
  ASSERT_EQ(processes.size(), 3u);
  EXPECT_EQ(processes[0].name, "db");
  EXPECT_EQ(processes[0].cgroup, "/apps/db");
  EXPECT_EQ(processes[0].id, (core::ProcessId{10, 1000}));
  EXPECT_EQ(processes[1].id.start_time_ticks, 77u);
  model_.backend->world().processes().at(10)->Exit();
  EXPECT_EQ(model_.backend->Processes().size(), 2u);
}

TEST_F(ModelBackendTest, OpensAProcessByPidAndStartTime) {
  EXPECT_TRUE(model_.backend->OpenProcess(11, 77).ok());
  EXPECT_EQ(OpenRefusal(11, 78), RefusalReason::kProcessReplaced);
  EXPECT_EQ(OpenRefusal(99), RefusalReason::kProcessNotFound);
  EXPECT_EQ(OpenRefusal(12), RefusalReason::kTargetNotMovable);
  model_.backend->world().processes().at(11)->Exit();
  EXPECT_EQ(OpenRefusal(11), RefusalReason::kProcessNotFound);
}

TEST_F(ModelBackendTest, ATargetIsRefusedAfterExec) {
  auto target = *model_.backend->OpenProcess(10, absl::nullopt);
  model_.backend->world().processes().at(10)->Exec();
  const auto nothing = [](absl::Span<const core::LocatedRun>) { return true; };
  EXPECT_EQ(core::RefusalOf(target->LocateResident(core::VirtualAddress(),
                                                   core::HiddenPages::kLeave,
                                                   nothing))
                .reason,
            RefusalReason::kProcessNotFound);
  EXPECT_EQ(core::RefusalOf(target->Locate({Pages(16)}, nothing)).reason,
            RefusalReason::kProcessNotFound);
  EXPECT_TRUE(model_.backend->OpenProcess(10, absl::nullopt).ok());
}

TEST_F(ModelBackendTest, LocatesRunsOfEqualPages) {
  auto target = *model_.backend->OpenProcess(10, absl::nullopt);
  std::vector<core::LocatedRun> runs;
  const auto collect = [&](absl::Span<const core::LocatedRun> some) {
    runs.insert(runs.end(), some.begin(), some.end());
    return true;
  };
  ASSERT_TRUE(target
                  ->LocateResident(core::VirtualAddress(),
                                   core::HiddenPages::kLeave, collect)
                  .ok());
  ASSERT_EQ(runs.size(), 2u);
  EXPECT_EQ(runs[0].run, Pages(16, 16));
  EXPECT_EQ(runs[0].node, NodeId(0));
  EXPECT_EQ(runs[0].folio_pages, 1u);
  EXPECT_TRUE(runs[0].states.Has(PageState::kAnonymous));
  EXPECT_EQ(runs[1].run, Pages(32, 8));
  EXPECT_EQ(runs[1].node, NodeId(1));
  EXPECT_TRUE(runs[1].states.Has(PageState::kFile));

  runs.clear();
  ASSERT_TRUE(target->Locate({Pages(30, 4), Pages(39, 2)}, collect).ok());
  ASSERT_EQ(runs.size(), 4u);
  EXPECT_EQ(runs[0].run, Pages(30, 2));
  EXPECT_EQ(runs[1].run, Pages(32, 2));
  EXPECT_EQ(runs[3].run, Pages(40, 1));
  EXPECT_FALSE(runs[3].resident);
  EXPECT_EQ(runs[3].reason, core::Reason::kNotMapped);
}

TEST_F(ModelBackendTest, ASinkThatHasSeenEnoughEndsTheLook) {
  auto target = *model_.backend->OpenProcess(10, absl::nullopt);
  // Makes every page a run of its own.
  for (uint64_t page = 16; page < 32; page += 2) {
    model_.space(10).Store(core::VirtualAddress::OfPage(page), 1);
  }
  int calls = 0;
  EXPECT_TRUE(target
                  ->LocateResident(core::VirtualAddress(),
                                   core::HiddenPages::kLeave,
                                   [&](absl::Span<const core::LocatedRun>) {
                                     ++calls;
                                     return false;
                                   })
                  .ok());
  EXPECT_EQ(calls, 1);
}

TEST_F(ModelBackendTest, NodesOutsideTheCpusetAreRefused) {
  auto target = *model_.backend->OpenProcess(11, absl::nullopt);
  core::PageList::Builder builder;
  builder.StartEntry({{NodeId(1), NodeId(0)}});
  builder.AddRange(core::VirtualAddress(0x10000), 1);
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  const auto mover = target->NewMover(pages, {});
  ASSERT_FALSE(mover.ok());
  EXPECT_EQ(core::RefusalOf(mover.status()).reason,
            RefusalReason::kNodeNotAllowed);
  EXPECT_THAT(std::string(mover.status().message()), HasSubstr("node 0"));
}

// That neither moves nor looks are for us, by a refusal that names the right.
void ExpectRefused(ModelBackend& backend, int32_t pid) {
  auto target = *backend.OpenProcess(pid, absl::nullopt);
  core::PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(core::VirtualAddress(0x10000), 1);
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  const auto ignore = [](absl::Span<const core::LocatedRun>) { return true; };
  for (const absl::Status& status :
       {target->NewMover(pages, {}).status(),
        target->Locate({{core::VirtualAddress(0x10000), 1}}, ignore),
        target->LocateResident({}, core::HiddenPages::kLeave, ignore)}) {
    ASSERT_FALSE(status.ok());
    const core::Refusal refusal = core::RefusalOf(status);
    EXPECT_EQ(refusal.reason, RefusalReason::kKernelRefuses);
    EXPECT_FALSE(refusal.missing.empty());
  }
}

TEST_F(ModelBackendTest, ALostRightIsARefusalThatNamesIt) {
  model_.backend->world().processes().at(10)->RevokePermission();
  ExpectRefused(*model_.backend, 10);
}

TEST(ModelPermissionTest, ARightThatNeverWasIsARefusalThatNamesIt) {
  TestModel model(
      "nodes { id: 0 capacity_pages: 64 } nodes { id: 1 capacity_pages: 64 }"
      "processes { pid: 10 not_permitted: true regions { "
      "start_address: 0x10000 pages: 8 placements { node: 0 } } }");
  ExpectRefused(*model.backend, 10);
}

}  // namespace
}  // namespace pageferry::model
