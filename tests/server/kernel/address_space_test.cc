#include "server/kernel/address_space.h"

#include "gmock/gmock.h"

namespace pageferry::kernel {
namespace {

using core::VirtualAddress;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kMaps[] =
    "55d0c8a00000-55d0c8a02000 r--p 00000000 fd:01 131   /usr/bin/my app\n"
    "55d0c8a02000-55d0c8a03000 rwxs 00002000 fd:01 131   /dev/shm/x (deleted)\n"
    "7f0000000000-7f0000001000 ---p 00000000 00:00 0 \n"
    "7ffd1c7f3000-7ffd1c814000 rw-p 00000000 00:00 0    [stack]\n"
    "7ffd1c9f0000-7ffd1c9f2000 r-xp 00000000 00:00 0    [vdso]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n";

TEST(AddressSpaceTest, ReadsMaps) {
  const auto space = AddressSpace::Parse(kMaps);
  ASSERT_TRUE(space.ok()) << space.status();
  ASSERT_THAT(space->mappings(), SizeIs(6));
  const Mapping& first = space->mappings()[0];
  EXPECT_EQ(first.start, VirtualAddress(0x55d0c8a00000));
  EXPECT_EQ(first.end, VirtualAddress(0x55d0c8a02000));
  EXPECT_EQ(first.pages(), 2u);
  EXPECT_TRUE(first.readable);
  EXPECT_FALSE(first.writable);
  EXPECT_FALSE(first.shared);
  EXPECT_EQ(first.kernel_page_bytes, 4096u);
  EXPECT_FALSE(first.hugetlb());
}

TEST(AddressSpaceTest, NamesMayHaveBlanks) {
  const auto space = AddressSpace::Parse(kMaps);
  ASSERT_TRUE(space.ok());
  EXPECT_EQ(space->mappings()[0].name, "/usr/bin/my app");
  EXPECT_EQ(space->mappings()[1].name, "/dev/shm/x (deleted)");
  EXPECT_TRUE(space->mappings()[1].shared);
  EXPECT_TRUE(space->mappings()[1].executable);
  EXPECT_EQ(space->mappings()[2].name, "");
}

TEST(AddressSpaceTest, TellsMappingsThatAreTheKernels) {
  const auto space = AddressSpace::Parse(kMaps);
  ASSERT_TRUE(space.ok());
  EXPECT_FALSE(space->mappings()[3].special());
  EXPECT_TRUE(space->mappings()[4].special());
  EXPECT_TRUE(space->mappings()[5].special());
  EXPECT_FALSE(space->mappings()[5].inaccessible());
  EXPECT_TRUE(space->mappings()[2].inaccessible());
}

TEST(AddressSpaceTest, FindsTheMappingOfAnAddress) {
  const auto space = AddressSpace::Parse(kMaps);
  ASSERT_TRUE(space.ok());
  EXPECT_EQ(space->Find(VirtualAddress(0x55d0c89fffff)), nullptr);
  EXPECT_EQ(space->Find(VirtualAddress(0x55d0c8a00000)), &space->mappings()[0]);
  EXPECT_EQ(space->Find(VirtualAddress(0x55d0c8a01fff)), &space->mappings()[0]);
  EXPECT_EQ(space->Find(VirtualAddress(0x55d0c8a02000)), &space->mappings()[1]);
  EXPECT_EQ(space->Find(VirtualAddress(0x55d0c8a03000)), nullptr);
  EXPECT_EQ(space->Find(VirtualAddress(0xffffffffff600fff)),
            &space->mappings()[5]);
}

TEST(AddressSpaceTest, ReadsSmaps) {
  const auto space = AddressSpace::Parse(
      "7f0000000000-7f0000400000 rw-p 00000000 00:00 0 \n"
      "Size:               4096 kB\n"
      "KernelPageSize:        4 kB\n"
      "AnonHugePages:      2048 kB\n"
      "ShmemPmdMapped:        0 kB\n"
      "FilePmdMapped:         0 kB\n"
      "VmFlags: rd wr mr mw me ac sd hg \n"
      "7f0000400000-7f0000800000 rw-s 00000000 00:0f 77 /anon_hugepage\n"
      "KernelPageSize:     2048 kB\n"
      "VmFlags: rd wr sh de ht \n"
      "7f0000800000-7f0000801000 rw-s 00000000 00:05 9  /dev/gpu0\n"
      "VmFlags: rd wr sh io pf \n");
  ASSERT_TRUE(space.ok()) << space.status();
  ASSERT_THAT(space->mappings(), SizeIs(3));
  EXPECT_EQ(space->mappings()[0].huge_page_bytes, uint64_t{2} << 20);
  EXPECT_FALSE(space->mappings()[0].hugetlb());
  EXPECT_FALSE(space->mappings()[0].device);
  EXPECT_TRUE(space->mappings()[1].hugetlb());
  EXPECT_EQ(space->mappings()[1].kernel_page_bytes, uint64_t{2} << 20);
  EXPECT_TRUE(space->mappings()[2].special());
}

TEST(AddressSpaceTest, HugePagesOfAllKindsCount) {
  const auto space = AddressSpace::Parse(
      "7f0000000000-7f0000c00000 rw-s 00000000 00:01 5 /dev/shm/pool\n"
      "ShmemPmdMapped:     4096 kB\n"
      "FilePmdMapped:      2048 kB\n");
  ASSERT_TRUE(space.ok());
  EXPECT_EQ(space->mappings()[0].huge_page_bytes, uint64_t{6} << 20);
}

TEST(AddressSpaceTest, AnEmptyTextIsAProcessWithoutMappings) {
  const auto space = AddressSpace::Parse("");
  ASSERT_TRUE(space.ok());
  EXPECT_THAT(space->mappings(), IsEmpty());
  EXPECT_EQ(space->Find(VirtualAddress(0)), nullptr);
}

TEST(AddressSpaceTest, ALineThatIsNoMappingIsNamed) {
  for (const char* const bad :
       {"nonsense\n", "1000-2000 rw 0 00:00 0\n", "1000 rw-p 0 00:00 0\n",
        "1000-2000 rw-p 0 00:00\n", "xyz-2000 rw-p 0 00:00 0\n"}) {
    const auto space =
        AddressSpace::Parse(std::string("1000-2000 rw-p 0 00:00 0\n") + bad);
    ASSERT_FALSE(space.ok()) << bad;
    EXPECT_THAT(std::string(space.status().message()), HasSubstr("line 2"));
  }
}

}  // namespace
}  // namespace pageferry::kernel
