#include "server/service/migration_listing.h"

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "server/service/conversion.h"
#include "server/service/validation.h"
#include "server/service/violations.h"

namespace pageferry::service {
namespace {

using Migrations = std::vector<std::shared_ptr<core::Migration>>;

std::string TokenAfter(const core::Migration& migration) {
  return absl::WebSafeBase64Escape(migration.id());
}

// The number in a migration id ("PREFIX-NUMBER") that `token` stands for; empty
// where it is no token of this run of the daemon, whose ids share a prefix.
absl::optional<uint64_t> NumberOfToken(const std::string& token,
                                       const Migrations& known) {
  std::string id;
  if (known.empty() || !absl::WebSafeBase64Unescape(token, &id)) {
    return absl::nullopt;
  }
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(id, absl::MaxSplits('-', 1));
  const std::pair<std::string, std::string> own =
      absl::StrSplit(known.front()->id(), absl::MaxSplits('-', 1));
  uint64_t number = 0;
  if (parts.first != own.first || !absl::SimpleAtoi(parts.second, &number)) {
    return absl::nullopt;
  }
  return number;
}

}  // namespace

absl::StatusOr<v1::ListMigrationsResponse> ListMigrations(
    const v1::ListMigrationsRequest& request,
    const core::MigrationRegistry& registry) {
  const absl::StatusOr<uint32_t> page_size = PlanPageSize(request);
  if (!page_size.ok()) return page_size.status();
  const Migrations known = registry.List();
  uint64_t before = UINT64_MAX;
  if (!request.page_token().empty()) {
    const auto number = NumberOfToken(request.page_token(), known);
    if (!number.has_value()) {
      Violations violations;
      violations.Add(
          "page_token",
          absl::StrCat("is \"", absl::CHexEscape(request.page_token()),
                       "\", which this daemon has not given; start "
                       "again without one"));
      return violations.ToStatus();
    }
    before = *number;
  }
  v1::ListMigrationsResponse response;
  const core::Migration* last = nullptr;
  for (const std::shared_ptr<core::Migration>& migration : known) {
    if (migration->number() >= before) continue;
    if (response.migrations_size() == static_cast<int>(*page_size)) {
      response.set_next_page_token(TokenAfter(*last));
      break;
    }
    *response.add_migrations() = ToProto(*migration);
    last = migration.get();
  }
  return response;
}

}  // namespace pageferry::service
