// What the handlers of the service work with, wired by the composition root.

#ifndef PAGEFERRY_SERVER_SERVICE_SERVICE_CONTEXT_H_
#define PAGEFERRY_SERVER_SERVICE_SERVICE_CONTEXT_H_

#include <cstdint>
#include <string>

#include "server/core/backend.h"
#include "server/core/clock.h"
#include "server/core/rate_limiter.h"
#include "server/core/registry.h"
#include "server/core/telemetry.h"
#include "server/service/caller.h"
#include "server/service/event_log.h"
#include "server/service/stream.h"

namespace pageferry::service {

// All pointers are required but server_limiter, and outlive the service.
struct ServiceContext {
  core::Backend* backend = nullptr;
  core::MigrationRegistry* registry = nullptr;
  core::Telemetry* telemetry = nullptr;
  core::Clock* clock = nullptr;
  EventLog* log = nullptr;
  // Bounds all migrations together; null for no limit. max_bytes_per_second is
  // its rate, 0 without one.
  core::RateLimiter* server_limiter = nullptr;
  uint64_t max_bytes_per_second = 0;
  // Version of the daemon.
  std::string version;
  StreamLimits stream_limits;
  CallerIdentifier identify_caller = IdentifyByPeer;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_SERVICE_CONTEXT_H_
