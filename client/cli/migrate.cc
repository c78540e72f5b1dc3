#include "client/cli/migrate.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/cli/exit_code.h"
#include "client/cli/interruptible.h"
#include "client/cli/migration_report.h"
#include "client/cli/migration_totals.h"
#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

bool Contains(const std::vector<int32_t>& nodes, int32_t node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// Whether requests after one that ended so would end the same way.
bool EndsTheRest(v1::StopReason reason) {
  return reason != v1::STOP_REASON_UNSPECIFIED &&
         reason != v1::STOP_REASON_COMPLETED &&
         reason != v1::STOP_REASON_DESTINATION_FULL;
}

class MigrateCommand {
 public:
  MigrateCommand(const MigrateArguments& arguments, Session* session)
      : arguments_(arguments),
        session_(*session),
        interruptible_(&session->interrupter, session->channel),
        process_(arguments.process.ToRef()) {}

  // The pages of --all: what LocatePages sees resident and elsewhere.
  absl::StatusOr<std::vector<PageRun>> LocateAll();

  int Run(const std::vector<PageRun>& runs);

 private:
  absl::Duration BudgetLeft() const;
  v1::MigratePagesRequest RequestFor(const PageChunk& chunk) const;
  absl::Status Send(const PageChunk& chunk);
  void OnStarted(const v1::MigrationStarted& started);
  int End(const absl::Status& status);

  const MigrateArguments& arguments_;
  Session& session_;
  Interruptible interruptible_;
  v1::ProcessRef process_;
  absl::Time start_;
  std::unique_ptr<MigrationReport> report_;
  MigrationTotals totals_;
};

absl::StatusOr<std::vector<PageRun>> MigrateCommand::LocateAll() {
  v1::LocatePagesRequest request;
  *request.mutable_target()->mutable_process() = process_;
  std::vector<PageRun> runs;
  uint64_t hidden_pages = 0;
  const auto take = [&](const v1::PageLocation& location) {
    if (!location.resident()) return;
    if (!location.has_node() && !arguments_.from.empty()) {
      hidden_pages += location.page_count();
      return;
    }
    if (location.has_node() &&
        (location.node() == arguments_.to ||
         (!arguments_.from.empty() &&
          !Contains(arguments_.from, location.node())))) {
      return;
    }
    runs.push_back(
        {location.start_address() / kPageBytes, location.page_count()});
  };
  const absl::Status status =
      ReadLocations(request, session_, &interruptible_,
                    [&](const v1::LocatePagesResponse& response) {
                      for (const auto& location : response.locations()) {
                        take(location);
                      }
                    });
  if (!status.ok()) return status;
  if (hidden_pages > 0) {
    session_.console.err << "pageferry: resident pages that hide their node "
                            "and are left out (tried without --from): "
                         << hidden_pages << "\n";
  }
  return Normalize(std::move(runs));
}

int MigrateCommand::Run(const std::vector<PageRun>& runs) {
  report_ = session_.json ? NewJsonReport(&session_.console)
                          : NewTextReport(&session_.console, CountPages(runs),
                                          arguments_.verbose);
  start_ = absl::Now();
  absl::Status status;
  bool ended = false;
  for (const PageChunk& chunk : SplitPages(runs)) {
    ended = ended || !status.ok() || interruptible_.interrupted() ||
            EndsTheRest(totals_.summary.stop_reason()) ||
            BudgetLeft() <= absl::ZeroDuration();
    if (ended) {
      totals_.unsent_pages += chunk.page_count;
    } else {
      status = Send(chunk);
    }
  }
  return End(status);
}

absl::Duration MigrateCommand::BudgetLeft() const {
  if (!arguments_.options.has_time_budget()) return absl::InfiniteDuration();
  const absl::Duration budget = ToDuration(arguments_.options.time_budget());
  // The first request has all of it, to the nanosecond.
  if (totals_.summary.requested_pages() == 0) return budget;
  return budget - (absl::Now() - start_);
}

v1::MigratePagesRequest MigrateCommand::RequestFor(
    const PageChunk& chunk) const {
  v1::MigratePagesRequest request;
  *request.mutable_process() = process_;
  v1::PageBatch* batch = request.add_batches();
  batch->set_destination_node(arguments_.to);
  batch->mutable_fallback_nodes()->Add(arguments_.fallback.begin(),
                                       arguments_.fallback.end());
  chunk.AppendTo(batch);
  *request.mutable_options() = arguments_.options;
  if (arguments_.options.has_time_budget()) {
    *request.mutable_options()->mutable_time_budget() = ToProto(BudgetLeft());
  }
  request.set_request_id(arguments_.request_id);
  return request;
}

// Every page of the chunk is counted in totals_ afterwards, in one way or
// another.
absl::Status MigrateCommand::Send(const PageChunk& chunk) {
  bool started = false;
  bool summarized = false;
  MigrationStream stream =
      session_.client.MigratePages(RequestFor(chunk), session_.call);
  interruptible_.Begin([&stream] { stream.Cancel(); });
  while (const auto event = stream.Next()) {
    if (event->has_started()) {
      started = true;
      OnStarted(event->started());
    }
    if (event->has_summary()) {
      summarized = true;
      totals_.Add(event->summary());
    }
    report_->OnEvent(*event);
  }
  absl::Status status = stream.Finish();
  interruptible_.End();
  if (summarized) return status;
  (started ? totals_.unknown_pages : totals_.unsent_pages) += chunk.page_count;
  if (status.ok()) {
    return absl::DataLossError("the answer ended without a summary");
  }
  return status;
}

// From now on the process is that one, whoever gets its pid.
void MigrateCommand::OnStarted(const v1::MigrationStarted& started) {
  interruptible_.Started(started.migration_id());
  if (started.processes_size() == 1) process_ = started.processes(0);
}

int MigrateCommand::End(const absl::Status& status) {
  report_->OnEnd(totals_);
  if (!status.ok()) return session_.Fail(status);
  return totals_.PagesLeft() > 0 ? kExitPagesLeft : kExitOk;
}

}  // namespace

int Migrate(const MigrateArguments& arguments, Session& session) {
  absl::StatusOr<std::vector<PageRun>> runs;
  if (!arguments.all) {
    runs = ReadPages(arguments.pages, session.console.in);
    if (!runs.ok()) return session.FailUsage(runs.status().message());
  }
  MigrateCommand command(arguments, &session);
  if (arguments.all) {
    runs = command.LocateAll();
    if (!runs.ok()) return session.Fail(runs.status());
    if (runs->empty()) {
      session.console.err << "pageferry: nothing to move\n";
      return kExitOk;
    }
  }
  return command.Run(*runs);
}

}  // namespace pageferry::client::cli
