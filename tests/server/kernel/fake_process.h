// A made-up process: its mappings, the pages in them, and what /proc tells of
// it.

#ifndef PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_PROCESS_H_
#define PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_PROCESS_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tests/server/kernel/fake_memory.h"

namespace pageferry::kernel {

struct FakeMapping {
  uint64_t first_page = 0;  // page number
  uint64_t pages = 0;
  std::string permissions = "rw-p";
  std::string name;     // of a file, or "[vdso]"
  bool device = false;  // VM_PFNMAP
  std::string file_system = "00:00";

  bool anonymous() const { return name.empty() && permissions[3] == 'p'; }
  bool inaccessible() const { return permissions.substr(0, 3) == "---"; }
};

// A page table entry. Without folio nor swap it is empty.
struct FakePage {
  FakeFolio* folio = nullptr;
  uint32_t index = 0;  // of this page in its folio
  bool swapped = false;
  bool numa_hint = false;
  bool soft_dirty = false;
};

// Used by one thread.
struct FakeProcess {
  int32_t pid = 0;
  uint64_t start_time_ticks = 0;
  std::string command = "app";
  char state = 'S';
  bool kernel_thread = false;
  bool exited = false;
  int execs = 0;
  bool access_denied = false;   // ptrace read access
  bool pagemap_denied = false;  // file mode 0400
  std::set<int> allowed_nodes = {0, 1};
  std::vector<FakeMapping> mappings;  // ascending
  std::map<uint64_t, FakePage> pages;

  void Map(uint64_t first_page, uint64_t count,
           const std::string& permissions = "rw-p",
           const std::string& name = "");

  // Puts a folio at consecutive pages.
  void Put(uint64_t first_page, FakeFolio* folio);

  const FakeMapping* MappingOf(uint64_t page) const;
  FakePage* Find(uint64_t page);
  // The folio of a page that has one.
  FakeFolio* FolioOf(uint64_t page) { return pages.at(page).folio; }
  // Where a page is; -1 where it is not in memory.
  int NodeOf(uint64_t page);

  // Contents of files in /proc/PID.
  std::string Stat() const;
  std::string Status() const;
  std::string Maps() const;
  std::string Smaps();
  uint64_t PagemapEntry(uint64_t page, bool frames_visible);
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_PROCESS_H_
