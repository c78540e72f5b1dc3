// The command line of `pageferry`.

#ifndef PAGEFERRY_CLIENT_CLI_COMMAND_LINE_H_
#define PAGEFERRY_CLIENT_CLI_COMMAND_LINE_H_

#include <string>
#include <vector>

#include "absl/time/time.h"
#include "absl/types/variant.h"
#include "client/cli/console.h"
#include "client/cli/locate.h"
#include "client/cli/migrate.h"
#include "client/cli/migrations.h"
#include "client/cli/node.h"

namespace pageferry::client::cli {

struct TopologyArguments {};
struct CapabilitiesArguments {};

struct CommandLine {
  std::string endpoint;
  bool json = false;
  absl::Duration timeout = absl::InfiniteDuration();
  absl::variant<MigrateArguments, LocateArguments, TopologyArguments,
                CapabilitiesArguments, ListArguments, CancelArguments,
                HealthArguments>
      command;
};

// The command that `arguments`, without the program's name, ask for; or the
// code to exit with: help and version are printed then, or what is wrong
// (kExitUsage). Looks at the environment (PAGEFERRY_ENDPOINT), not at files.
absl::variant<CommandLine, int> ParseCommandLine(
    const std::vector<std::string>& arguments, Console& console);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_COMMAND_LINE_H_
