// The proof that nothing was lost: every word of every live page.

#ifndef TESTS_TARGET_CHECK_H_
#define TESTS_TARGET_CHECK_H_

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

#include "region.h"

namespace pageferry::target {

using Regions = std::vector<std::unique_ptr<Region>>;

struct CheckResult {
  std::size_t checked_pages = 0;
  // (number of the region, index of the page), pages lost earlier included.
  std::vector<std::pair<std::size_t, std::size_t>> lost;
};

// The touching threads must rest meanwhile. Brings swapped pages back.
CheckResult CheckAll(Regions& regions);

// Checks one region as it was when filled, for a peer that shares it.
bool HoldsUnchanged(const Region& region);

}  // namespace pageferry::target

#endif  // TESTS_TARGET_CHECK_H_
