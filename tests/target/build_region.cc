#include <numaif.h>
#include <sys/mman.h>

#include <cerrno>
#include <cstring>
#include <map>

#include "build.h"
#include "pattern.h"
#include "self.h"

namespace pageferry::target {
namespace {

// While it lives, memory this thread touches first comes from one node.
class OnNode {
 public:
  explicit OnNode(Region& region) {
    if (region.spec.node == kNoNode) return;
    unsigned long mask[kMaskWords] = {};
    mask[region.spec.node / kWordBits] = 1UL << region.spec.node % kWordBits;
    // The kernel reads one bit less than it is told.
    if (set_mempolicy(MPOL_BIND, mask, kMaskWords * kWordBits + 1) != 0) {
      FailErrno(region, "set_mempolicy");
    }
  }
  ~OnNode() { set_mempolicy(MPOL_DEFAULT, nullptr, 0); }
  OnNode(const OnNode&) = delete;
  OnNode& operator=(const OnNode&) = delete;

 private:
  static constexpr int kWordBits = 64;
  static constexpr int kMaskWords = 1024 / kWordBits;
};

std::size_t LivePages(const Region& region) {
  std::size_t live = 0;
  for (std::size_t i = 0; i < region.pages; ++i) {
    if (region.use[i] == kLive) ++live;
  }
  return live;
}

// Kinds whose live pages are this region's own frames.
bool HasOwnFrames(Kind kind) {
  switch (kind) {
    case Kind::kDevice:
    case Kind::kHugeZero:
    case Kind::kKsm:
    case Kind::kSwapped:
    case Kind::kUntouched:
    case Kind::kVdso:
    case Kind::kVvar:
    case Kind::kZero:
      return false;
    default:
      return true;
  }
}

void CheckPlacement(Region& region) {
  if (!region.ok || region.spec.node == kNoNode ||
      !HasOwnFrames(region.spec.kind)) {
    return;
  }
  // Before 6.5 the kernel tells no node for a page without access.
  if (region.guarded) mprotect(region.start, region.bytes(), PROT_READ);
  std::map<int, std::size_t> nodes = PagesByNode(region);
  if (region.guarded) mprotect(region.start, region.bytes(), PROT_NONE);
  const std::size_t live = LivePages(region);
  const std::size_t placed = nodes[region.spec.node];
  if (placed < live) {
    Fail(region, std::to_string(live - placed) + " of " + std::to_string(live) +
                     " pages are not on node " +
                     std::to_string(region.spec.node));
  }
}

void BuildFamily(Region& region) {
  switch (region.spec.kind) {
    case Kind::kHugeZero:
    case Kind::kHugetlb:
    case Kind::kThp:
      return BuildHuge(region);
    case Kind::kDevice:
    case Kind::kKsm:
    case Kind::kSwapped:
    case Kind::kTwice:
    case Kind::kVdso:
    case Kind::kVvar:
      return BuildSpecial(region);
    default:
      return BuildPlain(region);
  }
}

}  // namespace

void BuildRegion(const RegionSpec& spec, Region& region) {
  region.spec = spec;
  region.pages = spec.pages;
  {
    OnNode on_node(region);
    BuildFamily(region);
  }
  if (region.start == nullptr) {
    region.pages = 0;
    region.access = Access::kNone;
  }
  CheckPlacement(region);
}

void Fail(Region& region, const std::string& why) {
  region.ok = false;
  region.note += region.note.empty() ? why : "; " + why;
}

void FailErrno(Region& region, const std::string& call) {
  Fail(region, call + ": " + std::strerror(errno));
}

char* Reserve(std::size_t bytes, std::size_t alignment_bytes) {
  const std::size_t whole = bytes + 2 * alignment_bytes;
  void* range = mmap(nullptr, whole, PROT_NONE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (range == MAP_FAILED) return nullptr;
  const auto low = reinterpret_cast<std::uintptr_t>(range);
  // From one byte to one alignment up, so there is a guard below.
  return static_cast<char*>(range) + alignment_bytes - low % alignment_bytes;
}

bool Map(Region& region, const Mapping& mapping) {
  char* range = Reserve(region.bytes(), mapping.alignment_bytes);
  if (range == nullptr) {
    FailErrno(region, "mmap");
    return false;
  }
  void* mapped = mmap(range, region.bytes(), mapping.protection,
                      mapping.flags | MAP_FIXED, mapping.file, 0);
  if (mapped == MAP_FAILED) {
    FailErrno(region, "mmap");
    return false;
  }
  region.start = range;
  // Small pages unless huge ones were asked for. Where the kernel knows no
  // huge pages, this fails and nothing is lost.
  if (mapping.alignment_bytes == kPageBytes) {
    madvise(range, region.bytes(), MADV_NOHUGEPAGE);
  }
  MakeBooks(region);
  return true;
}

void MakeBooks(Region& region) {
  region.use = std::make_unique<std::atomic<std::uint8_t>[]>(region.pages);
  region.sequence.assign(region.pages, 0);
}

void Fill(Region& region) {
  for (std::size_t i = 0; i < region.pages; ++i) region.use[i] = kLive;
  for (std::size_t i : region.spec.holes) region.use[i] = kHole;
  if (region.spec.kind == Kind::kHoles && region.spec.holes.empty()) {
    for (std::size_t i = 1; i < region.pages; i += 2) region.use[i] = kHole;
  }
  for (std::size_t i = 0; i < region.pages; ++i) {
    if (region.use[i] == kLive) MakePage(region, i, region.Page(i));
  }
  std::vector<std::size_t> pins = region.spec.pins;
  if (region.spec.pin_every > 0) {
    for (std::size_t i = 0; i < region.pages; i += region.spec.pin_every) {
      pins.push_back(i);
    }
  }
  for (std::size_t i : pins) {
    if (region.use[i] != kLive) continue;
    const std::string error = region.pins.Add(region.Page(i));
    if (!error.empty()) return Fail(region, error);
  }
}

void ReadAll(Region& region) {
  for (std::size_t i = 0; i < region.pages; ++i) {
    ReadByte(region.Page(i));
    region.use[i] = kLive;
  }
}

}  // namespace pageferry::target
