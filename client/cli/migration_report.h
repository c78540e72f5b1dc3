// What `pageferry migrate` tells while pages move, and in the end.

#ifndef PAGEFERRY_CLIENT_CLI_MIGRATION_REPORT_H_
#define PAGEFERRY_CLIENT_CLI_MIGRATION_REPORT_H_

#include <cstdint>
#include <memory>

#include "client/cli/console.h"
#include "client/cli/migration_totals.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

class MigrationReport {
 public:
  virtual ~MigrationReport() = default;

  // Every event of every request, as it comes.
  virtual void OnEvent(const v1::MigrationEvent& event) = 0;
  // Once, after the last.
  virtual void OnEnd(const MigrationTotals& totals) = 0;
};

// One JSON object a line: the events themselves.
std::unique_ptr<MigrationReport> NewJsonReport(Console* console);

// For people: a progress bar, the first pages that failed, and a summary with
// failures by reason. `verbose`: also every pass, and every result.
// `total_pages` are those of all requests together; 0: not known.
std::unique_ptr<MigrationReport> NewTextReport(Console* console,
                                               uint64_t total_pages,
                                               bool verbose);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_MIGRATION_REPORT_H_
