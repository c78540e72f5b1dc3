#include "server/daemon/build_info.h"

namespace pageferry::daemon {

const char* BuildVersion() { return PAGEFERRY_VERSION; }

const char* BuildRevision() { return PAGEFERRY_REVISION; }

}  // namespace pageferry::daemon
