// Made-up physical memory: nodes with room, and folios on them in every state
// that a kernel knows.

#ifndef PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_MEMORY_H_
#define PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_MEMORY_H_

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

namespace pageferry::kernel {

// Where a folio is as to the kernel's lists of reclaimable pages.
enum class Lru {
  kOnList,
  kInCache,   // in a CPU's cache; move_pages(2) drains those
  kIsolated,  // taken off by somebody
};

struct FakeFolio {
  int node = 0;
  uint64_t head = 0;   // its first frame
  uint32_t pages = 1;  // base pages
  bool anonymous = true;
  bool hugetlb = false;
  bool zero = false;  // the page of zeroes
  bool dirty = false;
  bool writes_out = false;  // while dirty: its file system cannot move it so
  bool ksm = false;
  bool mlocked = false;
  bool pinned = false;
  bool locked = false;
  bool writeback = false;
  Lru lru = Lru::kOnList;
  int mappers = 1;  // processes that map it
};

enum class Migrated { kMoved, kFailed, kNoMemory };

// Used by one thread.
class FakeMemory {
 public:
  struct Node {
    uint64_t free_pages = 0;
    uint64_t low_watermark_pages = 0;
    uint64_t next_frame = 0;
  };

  void AddNode(int node, uint64_t free_pages, uint64_t low_watermark_pages = 0);
  void RemoveNode(int node) { nodes_.erase(node); }
  const std::map<int, Node>& nodes() const { return nodes_; }
  Node& node(int node) { return nodes_.at(node); }

  // A new folio on `node`; takes nothing from its free pages.
  FakeFolio* Place(int node, uint32_t pages = 1);

  // Cuts a folio into folios of one page, in its frames.
  std::vector<FakeFolio*> Split(FakeFolio* folio);

  // Moves a folio as MIGRATE_SYNC does: waits for locks and writeback, which
  // then end, and reclaims below the low watermark. Both are counted.
  Migrated Migrate(FakeFolio* folio, int node);

  // The folio that has a frame, or null.
  FakeFolio* FolioAt(uint64_t frame) const;

  // What /proc/kpageflags and /proc/kpagecount have for a frame.
  uint64_t FlagsOf(uint64_t frame) const;
  uint64_t MapCountOf(uint64_t frame) const;

  // The text of /proc/zoneinfo, two zones a node.
  std::string ZoneInfo() const;

  // Tails lack LOCKED, WRITEBACK and DIRTY: Linux 6.1.
  bool bare_tails = true;

  int waits = 0;
  int reclaims = 0;

 private:
  uint64_t TakeFrames(int node, uint32_t pages);

  std::map<int, Node> nodes_;
  std::vector<std::unique_ptr<FakeFolio>> folios_;
  std::map<uint64_t, FakeFolio*> by_head_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_MEMORY_H_
