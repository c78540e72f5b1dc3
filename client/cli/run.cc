#include "client/cli/run.h"

#include <memory>

#include "absl/time/clock.h"
#include "absl/types/variant.h"
#include "client/cli/command_line.h"
#include "client/cli/exit_code.h"
#include "client/cli/session.h"
#include "pageferry/channel.h"

namespace pageferry::client::cli {
namespace {

// Calls the function that belongs to the arguments.
struct Dispatch {
  Session& session;

  int operator()(const MigrateArguments& arguments) const {
    return Migrate(arguments, session);
  }
  int operator()(const LocateArguments& arguments) const {
    return Locate(arguments, session);
  }
  int operator()(TopologyArguments) const { return ShowTopology(session); }
  int operator()(CapabilitiesArguments) const {
    return ShowCapabilities(session);
  }
  int operator()(const ListArguments& arguments) const {
    return ListMigrations(arguments, session);
  }
  int operator()(const CancelArguments& arguments) const {
    return CancelMigration(arguments, session);
  }
  int operator()(const HealthArguments& arguments) const {
    return CheckHealth(arguments, session);
  }
};

}  // namespace

int Run(const std::vector<std::string>& arguments, Console& console,
        Interrupter& interrupter) {
  const absl::variant<CommandLine, int> parsed =
      ParseCommandLine(arguments, console);
  if (const int* exit_code = absl::get_if<int>(&parsed)) return *exit_code;
  const CommandLine& line = absl::get<CommandLine>(parsed);
  const absl::StatusOr<std::shared_ptr<grpc::Channel>> channel =
      CreateChannel(line.endpoint);
  if (!channel.ok()) {
    console.err << "pageferry: " << channel.status().message() << "\n";
    return kExitUsage;
  }
  Session session{console,          interrupter,   line.endpoint, *channel,
                  Client(*channel), CallOptions(), line.json};
  session.call.deadline = absl::Now() + line.timeout;
  const int exit_code = absl::visit(Dispatch{session}, line.command);
  console.out.flush();
  if (console.out.fail()) {
    console.err << "pageferry: cannot write the results\n";
    return kExitFailed;
  }
  return exit_code;
}

}  // namespace pageferry::client::cli
