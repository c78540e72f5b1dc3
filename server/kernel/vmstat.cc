#include "server/kernel/vmstat.h"

#include <cstdint>
#include <string>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pageferry::kernel {
namespace {

// Beginnings of the names in /proc/vmstat that are exported.
constexpr const char* kEventPrefixes[] = {
    "pgmigrate_",       "thp_migration_",       "pgdemote_",
    "pgpromote_",       "numa_hint_faults",     "numa_pages_migrated",
    "numa_pte_updates", "numa_huge_pte_updates"};

bool IsExported(absl::string_view name) {
  for (const char* prefix : kEventPrefixes) {
    if (absl::StartsWith(name, prefix)) return true;
  }
  return false;
}

}  // namespace

core::KernelEvents ParseVmstat(absl::string_view vmstat) {
  core::KernelEvents events;
  for (const absl::string_view line : absl::StrSplit(vmstat, '\n')) {
    const std::pair<absl::string_view, absl::string_view> fields =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    uint64_t count = 0;
    if (!IsExported(fields.first) || !absl::SimpleAtoi(fields.second, &count)) {
      continue;
    }
    events.emplace_back(std::string(fields.first), count);
  }
  return events;
}

}  // namespace pageferry::kernel
