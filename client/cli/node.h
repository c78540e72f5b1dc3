// `pageferry topology`, `pageferry capabilities` and `pageferry health`.

#ifndef PAGEFERRY_CLIENT_CLI_NODE_H_
#define PAGEFERRY_CLIENT_CLI_NODE_H_

#include <string>

#include "client/cli/session.h"

namespace pageferry::client::cli {

struct HealthArguments {
  std::string service = "readiness";
};

// Prints the NUMA nodes with their memory, tier, speed and distances.
int ShowTopology(Session& session);

// Prints what the daemon can do here, and what it lacks for more.
int ShowCapabilities(Session& session);

// Prints the state of the service. kExitOk when it serves, and kExitNotServing
// in every other case, a silent daemon's included.
int CheckHealth(const HealthArguments& arguments, Session& session);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_NODE_H_
