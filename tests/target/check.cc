#include "check.h"

#include <sys/mman.h>

#include "pattern.h"

namespace pageferry::target {
namespace {

void CheckRegion(Region& region, CheckResult& result) {
  if (region.content == Content::kUnknown) return;
  if (region.guarded) mprotect(region.start, region.bytes(), PROT_READ);
  for (std::size_t i = 0; i < region.pages; ++i) {
    if (region.use[i] == kHole) continue;
    ++result.checked_pages;
    const bool holds =
        region.use[i] == kLive && PageHolds(region, region.start, i) &&
        (region.second == nullptr || PageHolds(region, region.second, i));
    if (!holds) {
      region.use[i] = kLost;
      result.lost.emplace_back(region.number, i);
    }
  }
  if (region.guarded) mprotect(region.start, region.bytes(), PROT_NONE);
}

}  // namespace

CheckResult CheckAll(Regions& regions) {
  CheckResult result;
  for (auto& region : regions) CheckRegion(*region, result);
  return result;
}

bool HoldsUnchanged(const Region& region) {
  for (std::size_t i = 0; i < region.pages; ++i) {
    if (region.use[i] == kLive && !PageHolds(region, region.start, i)) {
      return false;
    }
  }
  return true;
}

}  // namespace pageferry::target
