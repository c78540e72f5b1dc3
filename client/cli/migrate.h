// `pageferry migrate`: moves pages of a process.

#ifndef PAGEFERRY_CLIENT_CLI_MIGRATE_H_
#define PAGEFERRY_CLIENT_CLI_MIGRATE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "client/cli/locate.h"
#include "client/cli/pages.h"
#include "client/cli/session.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

struct MigrateArguments {
  ProcessArguments process;
  int32_t to = 0;
  std::vector<int32_t> fallback;
  bool all = false;           // all that is resident, in place of `pages`
  std::vector<int32_t> from;  // with `all`: only what is on these nodes
  PageArguments pages;
  v1::MigrationOptions options;
  std::string request_id;
  bool verbose = false;
};

// Asks in as many requests as the limits take, one after the other, and adds
// their summaries up. The time budget is that of all together. Returns
// kExitOk, kExitPagesLeft, kExitFailed or kExitUsage.
int Migrate(const MigrateArguments& arguments, Session& session);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_MIGRATE_H_
