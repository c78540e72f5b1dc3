// `pageferry list` and `pageferry cancel`.

#ifndef PAGEFERRY_CLIENT_CLI_MIGRATIONS_H_
#define PAGEFERRY_CLIENT_CLI_MIGRATIONS_H_

#include <cstdint>
#include <string>

#include "client/cli/session.h"

namespace pageferry::client::cli {

struct ListArguments {
  uint32_t page_size = 0;  // entries a call; 0: the daemon's choice
};

struct CancelArguments {
  std::string migration_id;
};

// Prints all migrations that the daemon remembers, newest first.
int ListMigrations(const ListArguments& arguments, Session& session);

// Asks the migration to stop, and prints what is known of it.
int CancelMigration(const CancelArguments& arguments, Session& session);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_MIGRATIONS_H_
