// Every limit of the service, each with its unit and why it is there. Served
// to callers by GetCapabilities.

#ifndef PAGEFERRY_SERVER_CORE_LIMITS_H_
#define PAGEFERRY_SERVER_CORE_LIMITS_H_

#include <cstdint>

#include "absl/time/time.h"

namespace pageferry::core {

// Size of a request message, bytes. gRPC's default; half a million scattered
// addresses.
inline constexpr uint64_t kMaxRequestBytes = 4 * 1024 * 1024;

// Distinct pages a request: 64 GiB of base pages.
inline constexpr uint64_t kMaxRequestPages = 16'777'216;

// Page ranges a request, over all its batches.
inline constexpr uint32_t kMaxRequestRanges = 65'536;

// Batches a request.
inline constexpr uint32_t kMaxRequestBatches = 65'536;

// Pages of a process that are looked at and moved together where the whole of
// it is to move: 1 GiB. It bounds the memory that a migration needs, and the
// pauses between passes: at most 213 ms a piece by default.
inline constexpr uint64_t kProcessPiecePages = 262'144;

// How often a cgroup is looked at for processes that appeared while others were
// moved, each look after all of the last one have been: where processes come
// and go without end, a migration still ends.
inline constexpr int kMaxCgroupLooks = 100;

// Fallback nodes a batch.
inline constexpr uint32_t kMaxFallbackNodes = 8;

// Characters of a request_id.
inline constexpr uint32_t kMaxRequestIdCharacters = 64;

// Characters of a cgroup path; PATH_MAX.
inline constexpr uint32_t kMaxCgroupPathCharacters = 4'096;

// Passes a migration, and how many it makes when the request does not say: the
// kernel's own number (mm/migrate.c, NR_MAX_MIGRATE_PAGES_RETRY).
inline constexpr uint32_t kMaxPasses = 100;
inline constexpr uint32_t kDefaultPasses = 10;

// The number of the first forced pass, counted from 0.
inline constexpr uint32_t kFirstForcedPass = 3;

// Pauses between passes, where the request does not say.
inline constexpr absl::Duration kDefaultInitialBackoff = absl::Milliseconds(1);
inline constexpr absl::Duration kDefaultMaxBackoff = absl::Milliseconds(50);

// Migrations that run at a time, each on a thread of its own; and those that
// wait for one to end.
inline constexpr uint32_t kMaxMigrationsInFlight = 16;
inline constexpr uint32_t kMaxMigrationsQueued = 64;

// Of those that run at a time, how many may be sync: a sync kernel call may
// hang as long as storage does, and must not take every thread.
inline constexpr uint32_t kMaxSyncMigrationsInFlight = 12;

// Migrations that have ended and are still listed.
inline constexpr uint32_t kMaxEndedMigrations = 1'000;

// Results in a stream message, and the size of one, bytes.
inline constexpr uint32_t kMaxMessageResults = 4'096;
inline constexpr uint64_t kMaxMessageBytes = 256 * 1024;

// Results that wait for a slow reader, bytes a stream; a longer message waits
// alone.
inline constexpr uint64_t kMaxStreamQueueBytes = 64 * 1024;

// How long a stream waits for its reader before it is given up.
inline constexpr absl::Duration kStreamStallTimeout = absl::Seconds(60);

// Streams a connection. With kMaxRequestBytes and the connections a listener
// takes, it bounds the requests in memory.
inline constexpr int kMaxStreamsPerConnection = 32;

// Violations that one refusal lists.
inline constexpr int kMaxViolations = 64;

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_LIMITS_H_
