// Sends the events of a migration to its client.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_

#include <cstdint>
#include <memory>

#include "absl/types/span.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/migrate_pages.h"
#include "server/service/stream.h"

namespace pageferry::service {

// Its methods block while the client is slow, and return false when nothing can
// reach it any more. Used by one thread at a time.
class MigrationStream {
 public:
  // `stream` must outlive this. `pid` is the process whose pages these are.
  MigrationStream(Stream* stream, v1::ResultDetail detail, int32_t pid)
      : stream_(stream), detail_(detail), pid_(pid) {}

  bool SendStarted(v1::MigrationStarted started);
  // Of `runs`, what the request's detail asks for.
  bool SendResults(absl::Span<const core::SettledRun> runs);
  bool SendPassCompleted(const core::PassFigures& pass);
  bool SendSummary(v1::MigrationSummary summary);

 private:
  bool Reports(core::Outcome outcome) const;

  Stream* const stream_;
  const v1::ResultDetail detail_;
  const int32_t pid_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_STREAM_H_
