#include "server/metrics/proc_figures.h"

#include <gtest/gtest.h>
#include <unistd.h>

namespace pageferry::metrics {
namespace {

// Fields 3 to 24 of /proc/PID/stat; 14 and 15 are 250 and 50 ticks, 20 is 17
// threads, 22 is 400 ticks, 23 is 1000 bytes, 24 is 7 pages.
constexpr char kStat[] =
    "99 (a ) name) S 1 2 3 4 5 6 7 8 9 10 250 50 13 14 15 16 17 18 400 1000 7 "
    "20\n";

TEST(ProcessFiguresTest, ReadsPastAnyName) {
  const double ticks = sysconf(_SC_CLK_TCK);
  const ProcessFigures figures = ParseProcessFigures(
      kStat, "cpu 1 2\nbtime 1000\n",
      "Limit                     Soft Limit           Hard Limit\n"
      "Max open files            1024                 4096      files\n"
      "Max address space         8192                 unlimited bytes\n");
  EXPECT_DOUBLE_EQ(*figures.cpu_seconds, 300 / ticks);
  EXPECT_DOUBLE_EQ(*figures.start_time_seconds, 1000 + 400 / ticks);
  EXPECT_EQ(*figures.virtual_bytes, 1000);
  EXPECT_EQ(*figures.resident_bytes, 7.0 * sysconf(_SC_PAGESIZE));
  EXPECT_EQ(*figures.max_descriptors, 1024);
  EXPECT_EQ(*figures.max_virtual_bytes, 8192);
  EXPECT_EQ(*figures.threads, 17);
}

TEST(ProcessFiguresTest, WhatIsMissingStaysEmpty) {
  const ProcessFigures figures = ParseProcessFigures("1 (x) S 1", "", "Max ");
  EXPECT_FALSE(figures.cpu_seconds.has_value());
  EXPECT_FALSE(figures.start_time_seconds.has_value());
  EXPECT_FALSE(figures.resident_bytes.has_value());
  EXPECT_FALSE(figures.threads.has_value());
  EXPECT_FALSE(figures.max_descriptors.has_value());
  EXPECT_FALSE(figures.max_virtual_bytes.has_value());
  EXPECT_FALSE(ParseProcessFigures("", "", "").cpu_seconds.has_value());
}

TEST(ProcessFiguresTest, NoLimitIsTheLargestNumber) {
  const ProcessFigures figures = ParseProcessFigures(
      "", "", "Max address space         unlimited            unlimited bytes");
  EXPECT_EQ(*figures.max_virtual_bytes, 18446744073709551615.0);
}

TEST(ProcessFiguresTest, AreThereForThisProcess) {
  const ProcessFigures figures = ReadProcessFigures("/proc");
  EXPECT_TRUE(figures.cpu_seconds.has_value());
  EXPECT_GT(figures.start_time_seconds.value_or(0), 1e9);
  EXPECT_GT(figures.resident_bytes.value_or(0), 0);
  EXPECT_GT(figures.open_descriptors.value_or(0), 2);
  EXPECT_FALSE(
      ReadProcessFigures("does-not-exist").open_descriptors.has_value());
}

}  // namespace
}  // namespace pageferry::metrics
