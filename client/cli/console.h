// What a command reads from and writes to.

#ifndef PAGEFERRY_CLIENT_CLI_CONSOLE_H_
#define PAGEFERRY_CLIENT_CLI_CONSOLE_H_

#include <istream>
#include <ostream>

namespace pageferry::client::cli {

struct Console {
  std::istream& in;
  std::ostream& out;  // results
  std::ostream& err;  // everything else
  // Whether a person looks at `err`: only then is there a progress bar.
  bool err_is_terminal = false;
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_CONSOLE_H_
