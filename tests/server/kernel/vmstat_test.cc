#include "server/kernel/vmstat.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace pageferry::kernel {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

TEST(VmstatTest, TakesThoseOfMigration) {
  EXPECT_THAT(
      ParseVmstat("nr_free_pages 1\n"
                  "pgmigrate_success 12\n"
                  "pgmigrate_fail 3\n"
                  "thp_migration_split 4\n"
                  "thp_fault_alloc 9\n"
                  "pgdemote_kswapd 5\n"
                  "pgpromote_success 6\n"
                  "numa_hit 8\n"
                  "numa_pages_migrated 7\n"),
      ElementsAre(Pair("pgmigrate_success", 12), Pair("pgmigrate_fail", 3),
                  Pair("thp_migration_split", 4), Pair("pgdemote_kswapd", 5),
                  Pair("pgpromote_success", 6),
                  Pair("numa_pages_migrated", 7)));
}

TEST(VmstatTest, LeavesOutWhatItCannotRead) {
  EXPECT_THAT(ParseVmstat(""), IsEmpty());
  EXPECT_THAT(
      ParseVmstat("numa_hint_faults\nnuma_hint_faults x\nnuma_hint_faults -1"),
      IsEmpty());
}

}  // namespace
}  // namespace pageferry::kernel
