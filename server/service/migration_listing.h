// Answers ListMigrations: pages through what the registry knows, newest first.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_LISTING_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_LISTING_H_

#include "absl/status/statusor.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/registry.h"

namespace pageferry::service {

// A page token names the last migration of the page before. So a walk stays
// where it is while new migrations arrive, and old ones are forgotten.
absl::StatusOr<v1::ListMigrationsResponse> ListMigrations(
    const v1::ListMigrationsRequest& request,
    const core::MigrationRegistry& registry);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_LISTING_H_
