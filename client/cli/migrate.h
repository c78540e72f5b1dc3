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
  TargetArguments target;
  std::vector<int32_t> to;  // one, but with `all`
  std::vector<int32_t> fallback;
  bool all = false;           // all that is resident, in place of `pages`
  std::vector<int32_t> from;  // with `all`: what is on these; empty: elsewhere
  PageArguments pages;
  v1::MigrationOptions options;
  std::string request_id;
  bool verbose = false;
};

// Pages are asked for in as many requests as the limits take, one after the
// other, and their summaries added up; the time budget is that of all together.
// Whole processes are one request. Returns kExitOk, kExitPagesLeft, kExitFailed
// or kExitUsage.
int Migrate(const MigrateArguments& arguments, Session& session);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_MIGRATE_H_
