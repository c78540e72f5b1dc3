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
        target_(arguments.target.ToTarget()) {}

  // All that is resident and on other nodes.
  int RunAll();

  int Run(const std::vector<PageRun>& runs);

 private:
  absl::StatusOr<v1::MigrateProcessRequest> RequestForAll();
  void Begin(uint64_t total_pages);
  // Whether the node is one to move to.
  bool Named(int32_t node) const;
  absl::Duration BudgetLeft() const;
  v1::MigratePagesRequest RequestFor(const PageChunk& chunk) const;
  absl::Status Follow(MigrationStream stream, uint64_t pages);
  void OnStarted(const v1::MigrationStarted& started);
  int End(const absl::Status& status);

  const MigrateArguments& arguments_;
  Session& session_;
  Interruptible interruptible_;
  v1::Target target_;
  absl::Time start_;
  std::unique_ptr<MigrationReport> report_;
  MigrationTotals totals_;
};

int MigrateCommand::RunAll() {
  const absl::StatusOr<v1::MigrateProcessRequest> request = RequestForAll();
  if (!request.ok()) return session_.Fail(request.status());
  Begin(/*total_pages=*/0);
  return End(Follow(session_.client.MigrateProcess(*request, session_.call),
                    /*pages=*/0));
}

absl::StatusOr<v1::MigrateProcessRequest> MigrateCommand::RequestForAll() {
  v1::MigrateProcessRequest request;
  *request.mutable_target() = target_;
  request.mutable_source_nodes()->Add(arguments_.from.begin(),
                                      arguments_.from.end());
  if (arguments_.from.empty()) {
    const auto topology = session_.client.GetTopology(session_.call);
    if (!topology.ok()) return topology.status();
    for (const v1::NodeInfo& node : topology->nodes()) {
      if (node.has_memory() && !Named(node.node())) {
        request.add_source_nodes(node.node());
      }
    }
  }
  request.mutable_destination_nodes()->Add(arguments_.to.begin(),
                                           arguments_.to.end());
  request.mutable_fallback_nodes()->Add(arguments_.fallback.begin(),
                                        arguments_.fallback.end());
  *request.mutable_options() = arguments_.options;
  request.set_request_id(arguments_.request_id);
  return request;
}

bool MigrateCommand::Named(int32_t node) const {
  return Contains(arguments_.to, node) || Contains(arguments_.fallback, node);
}

void MigrateCommand::Begin(uint64_t total_pages) {
  report_ = session_.json ? NewJsonReport(&session_.console)
                          : NewTextReport(&session_.console, total_pages,
                                          arguments_.verbose);
  start_ = absl::Now();
}

int MigrateCommand::Run(const std::vector<PageRun>& runs) {
  Begin(CountPages(runs));
  absl::Status status;
  bool ended = false;
  for (const PageChunk& chunk : SplitPages(runs)) {
    ended = ended || !status.ok() || interruptible_.interrupted() ||
            EndsTheRest(totals_.summary.stop_reason()) ||
            BudgetLeft() <= absl::ZeroDuration();
    if (ended) {
      totals_.unsent_pages += chunk.page_count;
    } else {
      status =
          Follow(session_.client.MigratePages(RequestFor(chunk), session_.call),
                 chunk.page_count);
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
  *request.mutable_process() = target_.process();
  v1::PageBatch* batch = request.add_batches();
  batch->set_destination_node(arguments_.to.front());
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

// Every one of the `pages` that were asked for is counted in totals_
// afterwards, in one way or another.
absl::Status MigrateCommand::Follow(MigrationStream stream, uint64_t pages) {
  bool started = false;
  bool summarized = false;
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
  (started ? totals_.unknown_pages : totals_.unsent_pages) += pages;
  if (status.ok()) {
    return absl::DataLossError("the answer ended without a summary");
  }
  return status;
}

// From now on a process is that one, whoever gets its pid.
void MigrateCommand::OnStarted(const v1::MigrationStarted& started) {
  interruptible_.Started(started.migration_id());
  if (target_.has_process() && started.processes_size() == 1) {
    *target_.mutable_process() = started.processes(0);
  }
}

int MigrateCommand::End(const absl::Status& status) {
  report_->OnEnd(totals_);
  if (!status.ok()) return session_.Fail(status);
  // Every process has pages that others map, those of its libraries. Who asks
  // for all, and to leave shared ones, does not miss them.
  const bool shared_may_stay =
      arguments_.all &&
      arguments_.options.shared_pages() != v1::SHARED_PAGES_MOVE;
  // What was not found before a stop is in no figure.
  const v1::StopReason stop = totals_.summary.stop_reason();
  if (arguments_.all && EndsTheRest(stop)) return kExitPagesLeft;
  return totals_.PagesLeft(shared_may_stay) > 0 ? kExitPagesLeft : kExitOk;
}

}  // namespace

int Migrate(const MigrateArguments& arguments, Session& session) {
  MigrateCommand command(arguments, &session);
  if (arguments.all) return command.RunAll();
  const absl::StatusOr<std::vector<PageRun>> runs =
      ReadPages(arguments.pages, session.console.in);
  if (!runs.ok()) return session.FailUsage(runs.status().message());
  return command.Run(*runs);
}

}  // namespace pageferry::client::cli
