#include "server/service/migration_stream.h"

#include <utility>

#include "server/core/limits.h"
#include "server/service/conversion.h"

namespace pageferry::service {

bool MigrationStream::SendStarted(v1::MigrationStarted started) {
  auto response = std::make_unique<v1::MigratePagesResponse>();
  *response->mutable_event()->mutable_started() = std::move(started);
  return stream_->Write(std::move(response));
}

bool MigrationStream::SendResults(absl::Span<const core::SettledRun> runs) {
  constexpr int kMostResults = static_cast<int>(core::kMaxMessageResults);
  std::unique_ptr<v1::MigratePagesResponse> response;
  v1::PageResults* results = nullptr;
  for (const core::SettledRun& run : runs) {
    if (!Reports(run.outcome)) continue;
    if (response == nullptr) {
      response = std::make_unique<v1::MigratePagesResponse>();
      results = response->mutable_event()->mutable_results();
      results->set_pid(pid_);
    }
    AppendPageResults(run, results);
    if (results->results_size() >= kMostResults &&
        !stream_->Write(std::move(response))) {
      return false;
    }
  }
  return response == nullptr || stream_->Write(std::move(response));
}

bool MigrationStream::SendPassCompleted(const core::PassFigures& pass) {
  auto response = std::make_unique<v1::MigratePagesResponse>();
  *response->mutable_event()->mutable_pass_completed() = ToProto(pass);
  return stream_->Write(std::move(response));
}

bool MigrationStream::SendSummary(v1::MigrationSummary summary) {
  auto response = std::make_unique<v1::MigratePagesResponse>();
  *response->mutable_event()->mutable_summary() = std::move(summary);
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
