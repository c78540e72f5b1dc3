// The whole command as a function.

#ifndef PAGEFERRY_CLIENT_CLI_RUN_H_
#define PAGEFERRY_CLIENT_CLI_RUN_H_

#include <string>
#include <vector>

#include "client/cli/console.h"
#include "client/cli/interrupter.h"

namespace pageferry::client::cli {

// Does what `arguments`, without the program's name, ask for, and returns the
// exit code. Blocks until it is done.
int Run(const std::vector<std::string>& arguments, Console& console,
        Interrupter& interrupter);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_RUN_H_
