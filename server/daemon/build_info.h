// What this program is built from.

#ifndef PAGEFERRY_SERVER_DAEMON_BUILD_INFO_H_
#define PAGEFERRY_SERVER_DAEMON_BUILD_INFO_H_

namespace pageferry::daemon {

// Version of the project: "0.1.0".
const char* BuildVersion();

// Revision of the sources, or "unknown".
const char* BuildRevision();

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_BUILD_INFO_H_
