// Answers LocatePages.

#ifndef PAGEFERRY_SERVER_SERVICE_LOCATE_CALL_H_
#define PAGEFERRY_SERVER_SERVICE_LOCATE_CALL_H_

#include "absl/status/status.h"
#include "server/core/backend.h"
#include "server/service/stream.h"
#include "server/service/validation.h"

namespace pageferry::service {

// Looks, and streams what is seen. Returns why the call is to be refused;
// nothing has been sent then, but where the process ended amid a look at all
// that is resident. Pages of a list that are left when the process ends are
// reported with PROCESS_EXITED. Blocks.
absl::Status LocatePages(const LocatePagesPlan& plan, core::Backend* backend,
                         Stream* stream);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_LOCATE_CALL_H_
