#include "client/cli/output.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/types/optional.h"
#include "client/cli/words.h"
#include "google/protobuf/util/json_util.h"
#include "pageferry/error.h"
#include "pageferry/v1/error.pb.h"

namespace pageferry::client::cli {
namespace {

// What to do about a failure that is not the daemon's.
std::string AdviceWithoutDetail(absl::StatusCode code,
                                absl::string_view endpoint) {
  switch (code) {
    case absl::StatusCode::kUnavailable:
      return absl::StrCat("is pageferryd running, and may you open ", endpoint,
                          "? (--endpoint names another)");
    case absl::StatusCode::kDeadlineExceeded:
      return "allow more with --timeout; a migration with --time-budget ends "
             "in time and with a summary";
    case absl::StatusCode::kUnimplemented:
      return "this pageferryd lacks the call";
    default:
      return "";
  }
}

void PrintDetail(const v1::ErrorDetail& detail, std::ostream& err) {
  // The message says one already.
  for (const v1::FieldViolation& violation : detail.violations()) {
    if (detail.violations_size() == 1) break;
    err << "  " << violation.field() << ": " << violation.description() << "\n";
  }
  if (!detail.missing().empty()) {
    err << "  missing: " << detail.missing() << "\n";
  }
  if (!detail.migration_id().empty()) {
    err << "  migration: " << detail.migration_id() << "\n";
  }
  if (detail.has_retry_delay()) {
    err << "  try again after: "
        << DurationText(ToDuration(detail.retry_delay())) << "\n";
  }
}

void PrintFailureJson(const absl::Status& status,
                      const absl::optional<v1::ErrorDetail>& detail,
                      std::ostream& err) {
  v1::Status envelope;
  envelope.set_code(static_cast<int>(status.code()));
  envelope.set_message(std::string(status.message()));
  if (detail.has_value()) envelope.add_details()->PackFrom(*detail);
  PrintJson(envelope, err);
}

}  // namespace

void PrintJson(const google::protobuf::Message& message, std::ostream& out) {
  google::protobuf::util::JsonPrintOptions options;
  options.preserve_proto_field_names = true;
  std::string line;
  // Fails for an Any of a foreign type only, and ours are our own.
  if (google::protobuf::util::MessageToJsonString(message, &line, options)
          .ok()) {
    out << line << std::endl;
  }
}

Table::Table(std::vector<std::string> headings) {
  for (std::string& heading : headings) {
    right_.push_back(!heading.empty() && heading.front() == '>');
    if (right_.back()) heading.erase(0, 1);
  }
  rows_.push_back(std::move(headings));
}

void Table::AddRow(std::vector<std::string> cells) {
  rows_.push_back(std::move(cells));
}

void Table::Print(std::ostream& out) const {
  std::vector<size_t> widths(right_.size(), 0);
  for (const std::vector<std::string>& row : rows_) {
    for (size_t i = 0; i < row.size(); ++i) {
      widths[i] = std::max(widths[i], row[i].size());
    }
  }
  for (const std::vector<std::string>& row : rows_) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      if (i > 0) line += "  ";
      line += right_[i] ? padding + row[i] : row[i] + padding;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out << line << "\n";
  }
}

void PrintFailure(const absl::Status& status, absl::string_view endpoint,
                  bool json, std::ostream& err) {
  const absl::optional<v1::ErrorDetail> detail = ErrorDetailOf(status);
  if (json) {
    PrintFailureJson(status, detail, err);
    return;
  }
  err << "pageferry: " << absl::StatusCodeToString(status.code());
  if (detail.has_value()) err << " (" << Word(detail->reason()) << ")";
  err << ": " << status.message() << "\n";
  if (detail.has_value()) PrintDetail(*detail, err);
  const std::string advice = detail.has_value()
                                 ? std::string(Advice(detail->reason()))
                                 : AdviceWithoutDetail(status.code(), endpoint);
  if (!advice.empty()) err << "  what to do: " << advice << "\n";
}

}  // namespace pageferry::client::cli
