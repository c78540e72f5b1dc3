// What a region is: consecutive pages in one state of interest, such as
// "pinned" or "swapped out", and what its pages must contain.

#ifndef TESTS_TARGET_REGION_H_
#define TESTS_TARGET_REGION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pins.h"

namespace pageferry::target {

inline constexpr std::size_t kPageBytes = 4096;
inline constexpr std::size_t kHugePageBytes = 2 << 20;
inline constexpr std::size_t kHugePagePages = kHugePageBytes / kPageBytes;
inline constexpr int kNoNode = -1;

enum class Kind {
  kAnon,        // private anonymous, written
  kChanging,    // written; what is done to it changes: see changer.h
  kDevice,      // ring buffer of a perf event: kernel pages, on no LRU
  kFile,        // page cache of a file; dirty=1: written through the mapping
  kHoles,       // anon with every second page never touched
  kHugeZero,    // the huge zero page: huge mapping that was only read
  kHugetlb,     // MAP_HUGETLB
  kKsm,         // equal pages, merged by the kernel
  kMlocked,     // anon, then mlock
  kPinned,      // anon with extra references held through pipes
  kProtNone,    // written, then PROT_NONE
  kReadOnly,    // written, then PROT_READ
  kSharedFork,  // private anonymous, also mapped by a child
  kShm,         // shared anonymous; mappers=2: also mapped by a child
  kSwapped,     // anon, then MADV_PAGEOUT
  kThp,         // transparent huge pages
  kTmpfs,       // file in tmpfs, mapped shared
  kTwice,       // one memfd, mapped twice in this process
  kUntouched,   // mapped, never touched
  kVdso,        // the kernel's code page, where it lies
  kVvar,        // the kernel's PFN mapping for the clock, where it lies
  kZero,        // the zero page: mapping that was only read
};

// One --region flag.
struct RegionSpec {
  Kind kind = Kind::kAnon;
  std::string kind_name;
  std::size_t pages = 0;
  int node = kNoNode;
  std::vector<std::size_t> holes;  // indexes never touched
  std::vector<std::size_t> pins;   // indexes with an extra reference
  std::size_t pin_every = 0;       // 0: only `pins`
  int mappers = 1;
  bool dirty = false;
  bool shared = false;  // changing: in a memfd
  std::string path;
  double wait_s = 10;  // for what the kernel does in its own time
};

// What the touching threads may do with the pages.
enum class Access { kNone, kRead, kWrite };

enum class Content {
  kOwn,    // words that differ from page to page
  kEqual,  // the same words in every page
  kZero,
  kUnknown,
};

// State of one page, as this program sees it.
enum PageUse : std::uint8_t {
  kHole = 0,  // never touched: nobody looks
  kLive = 1,  // filled: must hold its words
  kLost = 2,  // did not hold them once; reported, not looked at again
};

struct Region {
  RegionSpec spec;
  std::uint32_t number = 0;  // position on the command line
  char* start = nullptr;
  char* second = nullptr;  // other mapping of the same pages, if any
  int file = -1;           // behind it, where it is to be mapped again
  std::size_t pages = 0;
  Access access = Access::kNone;
  Content content = Content::kOwn;
  bool guarded = false;  // PROT_NONE: a check has to open it first
  bool ok = true;        // the state asked for was reached
  std::string note;      // why not, or what else is worth knowing
  std::unique_ptr<std::atomic<std::uint8_t>[]> use;
  // Stores done to each page; its toucher alone changes it.
  std::vector<std::uint32_t> sequence;
  Pins pins;

  char* Page(std::size_t index) const { return start + index * kPageBytes; }
  std::size_t bytes() const { return pages * kPageBytes; }
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_REGION_H_
