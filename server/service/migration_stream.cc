#include "server/service/migration_stream.h"

#include <utility>

#include "server/core/limits.h"
#include "server/service/conversion.h"

namespace pageferry::service {

bool MigrationStream::SendStarted(v1::MigrationStarted started) {
  v1::MigrationEvent event;
  *event.mutable_started() = std::move(started);
  return Send(std::move(event));
}

bool MigrationStream::SendProcessJoined(core::ProcessId process) {
  v1::MigrationEvent event;
  *event.mutable_process_joined()->mutable_process() = ToProto(process);
  return Send(std::move(event));
}

bool MigrationStream::SendResults(int32_t pid,
                                  absl::Span<const core::SettledRun> runs) {
  constexpr int kMostResults = static_cast<int>(core::kMaxMessageResults);
  v1::MigrationEvent event;
  v1::PageResults* results = event.mutable_results();
  for (const core::SettledRun& run : runs) {
    if (!Reports(run.outcome)) continue;
    AppendPageResults(run, results);
    if (results->results_size() < kMostResults) continue;
    results->set_pid(pid);
    if (!Send(std::move(event))) return false;
    event = v1::MigrationEvent();
    results = event.mutable_results();
  }
  results->set_pid(pid);
  return results->results().empty() || Send(std::move(event));
}

bool MigrationStream::SendPassCompleted(const core::PassFigures& pass) {
  v1::MigrationEvent event;
  *event.mutable_pass_completed() = ToProto(pass);
  return Send(std::move(event));
}

bool MigrationStream::SendSummary(v1::MigrationSummary summary) {
  v1::MigrationEvent event;
  *event.mutable_summary() = std::move(summary);
  return Send(std::move(event));
}

bool MigrationStream::Send(v1::MigrationEvent event) {
  if (method_ == core::Method::kMigrateProcess) {
    auto response = std::make_unique<v1::MigrateProcessResponse>();
    *response->mutable_event() = std::move(event);
    return stream_->Write(std::move(response));
  }
  auto response = std::make_unique<v1::MigratePagesResponse>();
  *response->mutable_event() = std::move(event);
  return stream_->Write(std::move(response));
}

bool MigrationStream::Reports(core::Outcome outcome) const {
  switch (detail_) {
    case v1::RESULT_DETAIL_FAILURES:
      return outcome == core::Outcome::kFailed ||
             outcome == core::Outcome::kNotAttempted;
    case v1::RESULT_DETAIL_SUMMARY:
      return false;
    default:
      return true;
  }
}

}  // namespace pageferry::service
