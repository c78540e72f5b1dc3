// The backends that this program is built with.

#ifndef PAGEFERRY_SERVER_DAEMON_BACKENDS_H_
#define PAGEFERRY_SERVER_DAEMON_BACKENDS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/core/backend.h"
#include "server/core/clock.h"
#include "server/core/telemetry.h"
#include "server/daemon/options.h"

namespace pageferry::daemon {

// Makes the backend that `options` asks for. `telemetry` and `clock` must
// outlive it. Fails where a scenario cannot be read, or is wrong: with file,
// line and field.
absl::StatusOr<std::unique_ptr<core::Backend>> CreateBackend(
    const Options& options, core::Telemetry* telemetry, core::Clock* clock);

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_BACKENDS_H_
