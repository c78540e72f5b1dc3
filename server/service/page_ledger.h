// Which pages of a migration have been settled.

#ifndef PAGEFERRY_SERVER_SERVICE_PAGE_LEDGER_H_
#define PAGEFERRY_SERVER_SERVICE_PAGE_LEDGER_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "server/core/page_list.h"
#include "server/core/types.h"

namespace pageferry::service {

// The pass loop knows, too, but cannot be asked while it is in a kernel call. A
// bit a page: 2 MiB for the longest request. Not thread-safe.
class PageLedger {
 public:
  // Of no pages.
  PageLedger() = default;
  explicit PageLedger(const core::PageList& pages);

  // Notes pages as settled. All of them must be in the list.
  void Settle(core::PageRun run);

  // What has not been settled, ascending.
  std::vector<core::PageRun> Unsettled() const;

 private:
  // A run of the list, and the number of pages in those before it.
  struct Entry {
    core::PageRun run;
    uint64_t first_bit = 0;
  };

  std::vector<Entry> entries_;  // ascending by address
  std::vector<bool> settled_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_PAGE_LEDGER_H_
