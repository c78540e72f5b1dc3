// What the exit codes of `pageferry` mean to a script.

#ifndef PAGEFERRY_CLIENT_CLI_EXIT_CODE_H_
#define PAGEFERRY_CLIENT_CLI_EXIT_CODE_H_

namespace pageferry::client::cli {

enum ExitCode : int {
  // Done; for `migrate`: every page that exists is where it should be.
  kExitOk = 0,
  // `health`: not serving, or nobody answers.
  kExitNotServing = 1,
  // `migrate`: at least one page that exists did not move.
  kExitPagesLeft = 2,
  // The call was refused, the connection failed, or the answer broke off.
  kExitFailed = 3,
  // The command line or a file of pages is wrong; nothing was asked.
  kExitUsage = 4,
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_EXIT_CODE_H_
