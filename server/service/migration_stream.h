// Sends the events of a migration to its client, in the messages of the RPC
// that asked for it.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/migrate_pages.h"
#include "server/core/telemetry.h"
#include "server/service/stream.h"

namespace pageferry::service {

// Its methods block while the client is slow, and return false when nothing can
// reach it any more. Used by one thread at a time.
class MigrationStream {
 public:
  // `stream` must outlive this.
  MigrationStream(Stream* stream, core::Method method, v1::ResultDetail detail)
      : stream_(stream), method_(method), detail_(detail) {}

  bool SendStarted(v1::MigrationStarted started);
  bool SendProcessJoined(core::ProcessId process);
  // Of `runs`, which are of process `pid`, what the request's detail asks for.
  bool SendResults(int32_t pid, absl::Span<const core::SettledRun> runs);
  bool SendPassCompleted(const core::PassFigures& pass);
  bool SendSummary(v1::MigrationSummary summary);

 private:
  bool Reports(core::Outcome outcome) const;
  bool Send(v1::MigrationEvent event);

  Stream* const stream_;
  const core::Method method_;
  const v1::ResultDetail detail_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_
