// One migration in figures, though it took several requests.

#ifndef PAGEFERRY_CLIENT_CLI_MIGRATION_TOTALS_H_
#define PAGEFERRY_CLIENT_CLI_MIGRATION_TOTALS_H_

#include <cstdint>

#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

struct MigrationTotals {
  // The summaries so far, added up; the stop reason is that of the first
  // request that did not complete.
  v1::MigrationSummary summary;
  // Whether there was any.
  bool summarized = false;
  // Pages of requests that were never sent, because something came before.
  uint64_t unsent_pages = 0;
  // Pages of a request whose answer broke off: perhaps they moved.
  uint64_t unknown_pages = 0;

  void Add(const v1::MigrationSummary& part);

  // Pages that exist, as far as is known, and are not known to be where they
  // should be. `shared_may_stay`: pages that other processes map are to be
  // left.
  uint64_t PagesLeft(bool shared_may_stay) const;
};

// Whether the reason only says that there is no page in memory that could move:
// ordinary in lists of addresses.
bool IsAbsent(v1::PageReason reason);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_MIGRATION_TOTALS_H_
