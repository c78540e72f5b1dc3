// The machine's memory as sysfs and procfs tell of it.

#include "server/kernel/topology_reader.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "server/kernel/cpuset.h"
#include "server/kernel/node_memory.h"
#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::kernel {
namespace {

using core::Node;
using core::NodeId;
using core::Topology;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;

std::vector<NodeId> Nodes(std::vector<int> values) {
  return std::vector<NodeId>(values.begin(), values.end());
}

TEST(NodeListTest, ReadsTheKernelsLists) {
  EXPECT_EQ(*ParseNodeList("0\n"), Nodes({0}));
  EXPECT_EQ(*ParseNodeList("\t0-2,5\n"), Nodes({0, 1, 2, 5}));
  EXPECT_EQ(*ParseNodeList("3,7-8"), Nodes({3, 7, 8}));
  EXPECT_THAT(*ParseNodeList("\n"), IsEmpty());
}

TEST(NodeListTest, OtherTextIsRefused) {
  for (const char* const bad : {"a", "0-", "-3", "1,,2", "0-x", "0 1"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseNodeList(bad).status())) << bad;
  }
}

TEST(NodeListTest, WritesListsForPeople) {
  EXPECT_EQ(FormatNodeList(Nodes({0, 1, 2, 5})), "0-2,5");
  EXPECT_EQ(FormatNodeList(Nodes({3})), "3");
  EXPECT_EQ(FormatNodeList({}), "none");
}

TEST(ZoneInfoTest, AddsUpTheZonesOfANode) {
  const auto rooms = ParseZoneInfo(
      "Node 0, zone      DMA\n"
      "  per-node stats\n"
      "      nr_inactive_anon 5\n"
      "  pages free     100\n"
      "        boost    0\n"
      "        min      8\n"
      "        low      11\n"
      "        high     14\n"
      "        protection: (0, 1, 2, 3, 4)\n"
      "      nr_free_pages 100\n"
      "  pagesets\n"
      "    cpu: 0\n"
      "              count: 300\n"
      "              high:  63\n"
      "Node 0, zone   Normal\n"
      "  pages free     1000\n"
      "        low      50\n"
      "Node 12, zone  Movable\n"
      "  pages free     7\n"
      "        low      9\n");
  ASSERT_THAT(rooms, SizeIs(2));
  EXPECT_EQ(rooms.at(NodeId(0)).free_pages, 1100u);
  EXPECT_EQ(rooms.at(NodeId(0)).low_watermark_pages, 61u);
  EXPECT_EQ(rooms.at(NodeId(0)).room_pages(), 1039u);
  EXPECT_EQ(rooms.at(NodeId(12)).room_pages(), 0u);
}

TEST(ZoneInfoTest, OtherTextHasNoNodes) {
  EXPECT_THAT(ParseZoneInfo(""), IsEmpty());
  EXPECT_THAT(ParseZoneInfo("  pages free 5\nNode\nNode x, zone DMA\n  low 3"),
              IsEmpty());
}

TEST(NodeMeminfoTest, ReadsKilobytes) {
  const core::NodeMemory memory = ParseNodeMeminfo(
      "Node 3 MemTotal:       2048 kB\nNode 3 MemFree:         1024 kB\n"
      "Node 3 MemUsed:        1024 kB\nNode 3 FilePages:         12 kB\n"
      "Node 3 AnonPages:         4 kB\nNode 3 HugePages_Total:     0\n\n");
  EXPECT_EQ(memory.total_bytes, 2048u * 1024);
  EXPECT_EQ(memory.free_bytes, 1024u * 1024);
  EXPECT_EQ(memory.file_bytes, 12u * 1024);
  EXPECT_EQ(memory.anonymous_bytes, 4096u);
}

class TopologyTest : public ::testing::Test {
 protected:
  TopologyTest() : kernel_(&clock_) {}

  void SetNodeFile(const std::string& path, const std::string& text) {
    kernel_.SetFile("/sys/devices/system/node/" + path, text);
  }

  void AddNode(int node, const std::string& distances, int free_kb) {
    SetNodeFile(absl::StrCat("node", node, "/distance"), distances);
    SetNodeFile(absl::StrCat("node", node, "/meminfo"),
                absl::StrCat("Node ", node, " MemTotal: 4096 kB\nNode ", node,
                             " MemFree: ", free_kb, " kB\n"));
  }

  void SetPerformance(int node, const std::string& what, int value) {
    SetNodeFile(absl::StrCat("node", node, "/access0/initiators/", what),
                absl::StrCat(value, "\n"));
  }

  void AddTier(int tier, const std::string& nodes) {
    kernel_.SetFile(absl::StrCat("/sys/devices/virtual/memory_tiering/",
                                 "memory_tier", tier, "/nodelist"),
                    nodes + "\n");
  }

  Topology Read() {
    const auto topology = ReadTopology(kernel_, "/sys");
    EXPECT_TRUE(topology.ok());
    return *topology;
  }

  core::FakeClock clock_;
  FakeKernel kernel_;
};

TEST_F(TopologyTest, TwoNodesWithTiersAndFiguresOfTheFirmware) {
  SetNodeFile("online", "0-1\n");
  SetNodeFile("has_memory", "0-1\n");
  SetNodeFile("has_cpu", "0\n");
  AddNode(0, "10 20\n", 100);
  AddNode(1, "20 10\n", 200);
  SetPerformance(0, "read_latency", 80);
  SetPerformance(1, "read_latency", 250);
  SetPerformance(1, "write_latency", 260);
  SetPerformance(1, "read_bandwidth", 20000);
  SetPerformance(1, "write_bandwidth", 10000);
  AddTier(4, "0");
  AddTier(22, "1");
  kernel_.SetFile("/sys/devices/virtual/memory_tiering/uevent", "");
  const Topology topology = Read();
  ASSERT_THAT(topology.nodes, SizeIs(2));
  const Node& near = topology.nodes[0];
  const Node& far = topology.nodes[1];
  EXPECT_TRUE(near.has_cpu);
  EXPECT_FALSE(far.has_cpu);
  EXPECT_TRUE(far.has_memory);
  EXPECT_EQ(far.memory.free_bytes, 200u * 1024);
  EXPECT_EQ(near.tier, 4);
  EXPECT_EQ(far.tier, 22);
  EXPECT_THAT(far.distances,
              ElementsAre(Pair(NodeId(0), 20), Pair(NodeId(1), 10)));
  EXPECT_EQ(far.performance.read_latency_ns, 250u);
  EXPECT_EQ(far.performance.write_latency_ns, 260u);
  EXPECT_EQ(far.performance.read_bandwidth_mbps, 20000u);
  EXPECT_EQ(far.performance.write_bandwidth_mbps, 10000u);
  EXPECT_FALSE(near.performance.write_latency_ns.has_value());
  EXPECT_THAT(near.demotion_order, ElementsAre(NodeId(1)));
  EXPECT_THAT(far.demotion_order, IsEmpty());
}

TEST_F(TopologyTest, FourNodesInTwoTiersDemoteToTheNearestFirst) {
  SetNodeFile("online", "0-3\n");
  SetNodeFile("has_memory", "0-3\n");
  SetNodeFile("has_cpu", "0-1\n");
  AddNode(0, "10 21 17 28\n", 1);
  AddNode(1, "21 10 28 17\n", 1);
  AddNode(2, "17 28 10 28\n", 1);
  AddNode(3, "28 17 28 10\n", 1);
  AddTier(4, "0-1");
  AddTier(961, "2-3");
  const Topology topology = Read();
  ASSERT_THAT(topology.nodes, SizeIs(4));
  EXPECT_THAT(topology.nodes[0].demotion_order,
              ElementsAre(NodeId(2), NodeId(3)));
  EXPECT_THAT(topology.nodes[1].demotion_order,
              ElementsAre(NodeId(3), NodeId(2)));
  EXPECT_THAT(topology.nodes[2].demotion_order, IsEmpty());
  EXPECT_FALSE(topology.nodes[2].performance.known());
}

TEST_F(TopologyTest, ThreeTiersDemoteToTheNextOneOnly) {
  SetNodeFile("online", "0-2\n");
  SetNodeFile("has_memory", "0-2\n");
  AddTier(2, "1");
  AddTier(4, "0");
  AddTier(30, "2");
  const Topology topology = Read();
  EXPECT_THAT(topology.nodes[1].demotion_order, ElementsAre(NodeId(0)));
  EXPECT_THAT(topology.nodes[0].demotion_order, ElementsAre(NodeId(2)));
}

TEST_F(TopologyTest, AKernelWithoutNumaHasNodeZero) {
  EXPECT_THAT(ReadMemoryNodes(kernel_, "/sys"), ElementsAre(NodeId(0)));
  const Topology topology = Read();
  ASSERT_THAT(topology.nodes, SizeIs(1));
  EXPECT_EQ(topology.nodes[0].id, NodeId(0));
  EXPECT_TRUE(topology.nodes[0].has_memory);
  EXPECT_FALSE(topology.nodes[0].tier.has_value());
}

TEST_F(TopologyTest, NodeNumbersMayHaveGaps) {
  SetNodeFile("online", "0,2,8\n");
  SetNodeFile("has_memory", "0,8\n");
  SetNodeFile("has_cpu", "0,2\n");
  AddNode(0, "10 12 40\n", 1);
  AddNode(2, "12 10 40\n", 1);
  AddNode(8, "40 40 10\n", 1);
  const Topology topology = Read();
  ASSERT_THAT(topology.nodes, SizeIs(3));
  EXPECT_EQ(topology.nodes[2].id, NodeId(8));
  EXPECT_FALSE(topology.nodes[1].has_memory);
  EXPECT_TRUE(topology.nodes[1].has_cpu);
  EXPECT_THAT(topology.nodes[0].distances,
              ElementsAre(Pair(NodeId(0), 10), Pair(NodeId(2), 12),
                          Pair(NodeId(8), 40)));
  EXPECT_THAT(ReadMemoryNodes(kernel_, "/sys"),
              ElementsAre(NodeId(0), NodeId(8)));
}

}  // namespace
}  // namespace pageferry::kernel
