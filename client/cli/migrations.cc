#include "client/cli/migrations.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "client/cli/exit_code.h"
#include "client/cli/output.h"
#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

std::string OrDash(const std::string& text) {
  return text.empty() ? "-" : text;
}

std::string TimeText(const google::protobuf::Timestamp& time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%SZ",
                          absl::FromUnixSeconds(time.seconds()),
                          absl::UTCTimeZone());
}

Table NewMigrationTable() {
  return Table({"ID", "STATE", "STOP", "STARTED", "TARGET", "MODE",
                ">REQUESTED", ">MOVED", ">FAILED", "CALLER", "REQUEST-ID"});
}

void AddMigration(const v1::MigrationInfo& migration, Table* table) {
  const v1::MigrationSummary& progress = migration.progress();
  const bool ended = migration.state() == v1::MIGRATION_STATE_ENDED;
  table->AddRow({migration.migration_id(), Word(migration.state()),
                 ended ? Word(progress.stop_reason()) : "-",
                 TimeText(migration.start_time()),
                 TargetText(migration.target()),
                 Word(migration.options().mode()),
                 absl::StrCat(progress.requested_pages()),
                 absl::StrCat(progress.moved_pages()),
                 absl::StrCat(progress.failed_pages()),
                 OrDash(migration.caller()), OrDash(migration.request_id())});
}

}  // namespace

int ListMigrations(const ListArguments& arguments, Session& session) {
  v1::ListMigrationsRequest request;
  request.set_page_size(arguments.page_size);
  Table table = NewMigrationTable();
  do {
    const absl::StatusOr<v1::ListMigrationsResponse> response =
        session.client.ListMigrations(request, session.call);
    if (!response.ok()) return session.Fail(response.status());
    for (const v1::MigrationInfo& migration : response->migrations()) {
      if (session.json) {
        PrintJson(migration, session.console.out);
      } else {
        AddMigration(migration, &table);
      }
    }
    request.set_page_token(response->next_page_token());
  } while (!request.page_token().empty());
  if (!session.json) table.Print(session.console.out);
  return kExitOk;
}

int CancelMigration(const CancelArguments& arguments, Session& session) {
  v1::CancelMigrationRequest request;
  request.set_migration_id(arguments.migration_id);
  const absl::StatusOr<v1::CancelMigrationResponse> response =
      session.client.CancelMigration(request, session.call);
  if (!response.ok()) return session.Fail(response.status());
  if (session.json) {
    PrintJson(response->migration(), session.console.out);
    return kExitOk;
  }
  const bool ended = response->migration().state() == v1::MIGRATION_STATE_ENDED;
  session.console.out << (ended ? "had ended already:\n"
                                : "asked to stop; it stood at:\n");
  Table table = NewMigrationTable();
  AddMigration(response->migration(), &table);
  table.Print(session.console.out);
  return kExitOk;
}

}  // namespace pageferry::client::cli
