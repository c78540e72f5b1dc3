#include "server/core/telemetry.h"

namespace pageferry::core {
namespace {

class NullMeter final : public MigrationMeter {
 public:
  void Update(const MigrationSummary&) override {}
  void End(const MigrationSummary&) override {}
};

}  // namespace

const char* MethodName(Method method) {
  return method == Method::kMigratePages ? "MigratePages" : "MigrateProcess";
}

std::unique_ptr<MigrationMeter> NullTelemetry::StartMigration(Method, Mode,
                                                              bool) {
  return std::make_unique<NullMeter>();
}

}  // namespace pageferry::core
