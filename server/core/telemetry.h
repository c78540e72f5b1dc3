// What the other rooms tell those who count. Implemented by metrics/; the core,
// the service and the backends know only this.

#ifndef PAGEFERRY_SERVER_CORE_TELEMETRY_H_
#define PAGEFERRY_SERVER_CORE_TELEMETRY_H_

#include <memory>

#include "absl/time/time.h"
#include "server/core/refusal.h"
#include "server/core/summary.h"
#include "server/core/types.h"

namespace pageferry::core {

// The RPC that a migration came by.
enum class Method { kMigratePages = 1, kMigrateProcess = 2 };

// "MigratePages", as logs, errors and metrics have it.
const char* MethodName(Method method);

// Follows one migration. Used by the thread that runs it.
class MigrationMeter {
 public:
  virtual ~MigrationMeter() = default;

  // Counts what is new since the last update. Once a batch, not once a page.
  virtual void Update(const MigrationSummary& so_far) = 0;

  // The final figures. Nothing follows.
  virtual void End(const MigrationSummary& summary) = 0;
};

// Thread-safe; does not block.
class Telemetry {
 public:
  virtual ~Telemetry() = default;

  // A migration started. Never null. A dry run counts in no page counter but
  // its own.
  virtual std::unique_ptr<MigrationMeter> StartMigration(
      Method method, Mode mode, bool validate_only) = 0;

  // One call that moved or tried to move pages returned.
  virtual void OnKernelCall(Mode mode, absl::Duration length) = 0;

  // A call was refused.
  virtual void OnRequestRejected(RefusalReason reason) = 0;

  // A stream waited for its reader.
  virtual void OnStreamStall(absl::Duration length) = 0;
};

// Counts nothing.
class NullTelemetry final : public Telemetry {
 public:
  std::unique_ptr<MigrationMeter> StartMigration(Method, Mode, bool) override;
  void OnKernelCall(Mode, absl::Duration) override {}
  void OnRequestRejected(RefusalReason) override {}
  void OnStreamStall(absl::Duration) override {}
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_TELEMETRY_H_
