// What this process can find out about its own memory.

#ifndef TESTS_TARGET_SELF_H_
#define TESTS_TARGET_SELF_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>

namespace pageferry::target {

struct Region;

// Start time in clock ticks since boot: field 22 of /proc/self/stat.
std::uint64_t StartTimeTicks();

// How many pages of the region lie on each node; keys below zero are errors,
// such as -ENOENT, for pages that lie on none. See move_pages(2).
std::map<int, std::size_t> PagesByNode(const Region& region);

// Sum of one field, such as "AnonHugePages", over the mappings that lie in
// the region. See smaps in proc(5).
std::size_t SmapsBytes(const Region& region, const std::string& field);

// Pages of the region that are swapped out (bit 62 of pagemap).
std::size_t SwappedPages(const Region& region);

// Flags of the page frame behind `address`; nothing without CAP_SYS_ADMIN.
// See "kpageflags" in the kernel's admin-guide/mm/pagemap.rst.
std::optional<std::uint64_t> FrameFlags(const char* address);

// The number in a file of /proc or /sys, or nothing.
std::optional<std::uint64_t> ReadNumber(const std::string& path);

struct Range {
  char* start = nullptr;
  std::size_t pages = 0;
};
// The mapping with this name in /proc/self/maps, such as "[vdso]".
std::optional<Range> FindMapping(const std::string& name);

}  // namespace pageferry::target

#endif  // TESTS_TARGET_SELF_H_
