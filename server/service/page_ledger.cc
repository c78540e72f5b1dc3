#include "server/service/page_ledger.h"

#include <algorithm>

namespace pageferry::service {

PageLedger::PageLedger(const core::PageList& pages)
    : settled_(pages.page_count()) {
  for (const core::PlacedRun& placed : pages.runs()) {
    entries_.push_back({placed.run, 0});
  }
  std::sort(
      entries_.begin(), entries_.end(),
      [](const Entry& a, const Entry& b) { return a.run.start < b.run.start; });
  uint64_t bit = 0;
  for (Entry& entry : entries_) {
    entry.first_bit = bit;
    bit += entry.run.pages;
  }
}

void PageLedger::Settle(core::PageRun run) {
  // The last entry that begins at or before the run.
  auto entry = std::upper_bound(
      entries_.begin(), entries_.end(), run.start,
      [](core::VirtualAddress address, const Entry& candidate) {
        return address < candidate.run.start;
      });
  --entry;
  while (run.pages > 0) {
    const uint64_t skipped =
        run.start.page_number() - entry->run.start.page_number();
    const uint64_t pages = std::min(run.pages, entry->run.pages - skipped);
    const auto first = settled_.begin() + (entry->first_bit + skipped);
    std::fill(first, first + pages, true);
    run = {run.start.PlusPages(pages), run.pages - pages};
    ++entry;
  }
}

std::vector<core::PageRun> PageLedger::Unsettled() const {
  std::vector<core::PageRun> unsettled;
  for (const Entry& entry : entries_) {
    for (uint64_t i = 0; i < entry.run.pages; ++i) {
      if (settled_[entry.first_bit + i]) continue;
      const core::VirtualAddress address = entry.run.start.PlusPages(i);
      if (!unsettled.empty() && unsettled.back().end() == address) {
        ++unsettled.back().pages;
      } else {
        unsettled.push_back({address, 1});
      }
    }
  }
  return unsettled;
}

}  // namespace pageferry::service
