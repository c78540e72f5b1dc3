// Kinds made of 2 MiB pages. Page counts are rounded up to whole ones.

#include <sys/mman.h>

#include <cstdint>
#include <string>

#include "build.h"
#include "self.h"

namespace pageferry::target {
namespace {

constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;
// Bits of /proc/kpageflags.
constexpr std::uint64_t kThpFlag = std::uint64_t{1} << 22;
constexpr std::uint64_t kZeroPageFlag = std::uint64_t{1} << 24;

bool MapAdvised(Region& region) {
  if (!Map(region, {.protection = kReadWrite,
                    .flags = kPrivate,
                    .alignment_bytes = kHugePageBytes})) {
    return false;
  }
  if (madvise(region.start, region.bytes(), MADV_HUGEPAGE) != 0) {
    FailErrno(region, "madvise MADV_HUGEPAGE");
  }
  return true;
}

void BuildThp(Region& region) {
  if (!MapAdvised(region)) return;
  Fill(region);
  region.access = Access::kWrite;
  const std::size_t huge_bytes = SmapsBytes(region, "AnonHugePages");
  if (huge_bytes != region.bytes()) {
    Fail(region, "only " + std::to_string(huge_bytes / kHugePageBytes) +
                     " of " + std::to_string(region.bytes() / kHugePageBytes) +
                     " huge pages");
  }
}

void BuildHugeZero(Region& region) {
  if (!MapAdvised(region)) return;
  region.content = Content::kZero;
  region.access = Access::kRead;
  ReadAll(region);
  constexpr std::uint64_t kWanted = kThpFlag | kZeroPageFlag;
  for (std::size_t i = 0; i < region.pages; i += kHugePagePages) {
    const auto flags = FrameFlags(region.Page(i));
    if (!flags) {
      region.note = "not verified: frame flags cannot be read";
      return;
    }
    if ((*flags & kWanted) != kWanted) {
      return Fail(region, "small zero pages, no huge one");
    }
  }
}

void BuildHugetlb(Region& region) {
  if (!Map(region, {.protection = kReadWrite,
                    .flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
                    .alignment_bytes = kHugePageBytes})) {
    Fail(region, "are there free huge pages?");
    return;
  }
  // Tells of a node without free huge pages by an error; a touch would tell
  // of it by SIGBUS.
  if (madvise(region.start, region.bytes(), MADV_POPULATE_WRITE) != 0) {
    FailErrno(region, "no huge pages on the node: madvise");
    region.start = nullptr;
    return;
  }
  Fill(region);
  region.access = Access::kWrite;
}

}  // namespace

void BuildHuge(Region& region) {
  region.pages =
      (region.pages + kHugePagePages - 1) / kHugePagePages * kHugePagePages;
  switch (region.spec.kind) {
    case Kind::kThp:
      return BuildThp(region);
    case Kind::kHugeZero:
      return BuildHugeZero(region);
    default:
      return BuildHugetlb(region);
  }
}

}  // namespace pageferry::target
