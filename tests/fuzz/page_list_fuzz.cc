// Random batches: the list holds exactly the pages that were named, once, or
// names an address that really is asked to two places.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <utility>

#include "server/core/page_list.h"

using pageferry::core::NodeId;
using pageferry::core::PageList;
using pageferry::core::PlacedRun;
using pageferry::core::PlacementConflict;
using pageferry::core::VirtualAddress;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  PageList::Builder builder;
  std::map<uint64_t, std::pair<int, int>> expected;  // page: node, entry
  bool conflict_expected = false;
  int entry = -1;
  int node = 0;
  for (size_t i = 0; i + 1 < size; i += 2) {
    if (entry < 0 || data[i] >= 0xf0) {
      node = data[i] & 3;
      builder.StartEntry({{NodeId(node)}});
      ++entry;
      continue;
    }
    const uint64_t first = data[i];
    const uint64_t pages = 1 + (data[i + 1] & 31);
    builder.AddRange(VirtualAddress::OfPage(first), pages);
    for (uint64_t page = first; page < first + pages; ++page) {
      const auto [known, is_new] = expected.try_emplace(page, node, entry);
      if (!is_new && known->second.first != node) conflict_expected = true;
    }
  }
  absl::optional<PlacementConflict> conflict;
  const PageList list = std::move(builder).Build(&conflict);
  if (conflict.has_value() != conflict_expected) abort();
  if (conflict.has_value()) return 0;
  uint64_t pages = 0;
  for (const PlacedRun& placed : list.runs()) {
    for (uint64_t i = 0; i < placed.run.pages; ++i, ++pages) {
      const auto page = expected.find(placed.run.start.page_number() + i);
      if (page == expected.end()) abort();
      if (list.placements()[placed.placement].nodes[0].value() !=
          page->second.first) {
        abort();
      }
      if (placed.entry != static_cast<uint32_t>(page->second.second)) abort();
    }
  }
  if (pages != expected.size() || pages != list.page_count()) abort();
  return 0;
}
