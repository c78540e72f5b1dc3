// What a migration has to do, by the RPC that asked for it.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_WORK_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_WORK_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/backend.h"
#include "server/core/control.h"
#include "server/core/rate_limiter.h"
#include "server/core/summary.h"
#include "server/core/telemetry.h"
#include "server/service/migration_account.h"
#include "server/service/option_fields.h"
#include "server/service/validation.h"

namespace pageferry::service {

// The work of one migration. Used by one thread at a time.
class MigrationWork {
 public:
  virtual ~MigrationWork() = default;

  virtual core::Method method() const = 0;
  virtual const MigrationPlan& how() const = 0;
  virtual const std::string& request_id() const = 0;
  // The target in words: "process 17".
  virtual std::string target() const = 0;

  // Takes hold of the target, or refuses it. Blocks; may leave it at what it
  // has when `control` says stop.
  virtual absl::Status Open(core::Backend* backend,
                            const core::MigrationControl& control) = 0;

  // Fills in what there is to say of the target when the migration starts:
  // before Open(), as the request names it.
  virtual void Describe(v1::MigrationStarted* started) const = 0;

  // Migrates until done or stopped; where a stop came before Open(), only
  // accounts for what was asked. Blocks.
  virtual core::MigrationSummary Run(
      const core::MigrationControl& control,
      absl::Span<core::RateLimiter* const> limiters,
      MigrationAccount& account) = 0;
};

// Listed pages of one process.
std::unique_ptr<MigrationWork> NewPageListWork(MigratePagesPlan plan);

// What processes have on some nodes.
std::unique_ptr<MigrationWork> NewProcessWork(MigrateProcessPlan plan);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_WORK_H_
