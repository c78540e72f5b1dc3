// What pageferryd exits with. Said in --help, too.

#ifndef PAGEFERRY_SERVER_DAEMON_EXIT_CODE_H_
#define PAGEFERRY_SERVER_DAEMON_EXIT_CODE_H_

namespace pageferry::daemon {

inline constexpr int kExitOk = 0;
// It cannot start (an address in use, for example), or had to leave work
// behind: a kernel call outlasted the grace time, or a second signal came.
inline constexpr int kExitFailure = 1;
// The command line is wrong.
inline constexpr int kExitUsage = 4;

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_EXIT_CODE_H_
