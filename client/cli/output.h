// The ways in which results are written.

#ifndef PAGEFERRY_CLIENT_CLI_OUTPUT_H_
#define PAGEFERRY_CLIENT_CLI_OUTPUT_H_

#include <cstddef>
#include <ostream>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace pageferry::client::cli {

// One line of protobuf's JSON with the names of the contract, flushed: whoever
// reads it may be waiting. That mapping writes 64-bit integers as strings, and
// leaves out what is 0, false or empty.
void PrintJson(const google::protobuf::Message& message, std::ostream& out);

// Rows under headings, in columns as wide as they need to be. Columns whose
// heading begins with '>' are set to the right. Numbers read best so.
class Table {
 public:
  explicit Table(std::vector<std::string> headings);

  // As many cells as headings.
  void AddRow(std::vector<std::string> cells);
  void Print(std::ostream& out) const;

 private:
  std::vector<bool> right_;
  std::vector<std::vector<std::string>> rows_;  // the first: headings
};

// Says why a call failed, for a person: the message, every violation, what is
// missing, when to try again, what to do. With `json`, one line of JSON in
// place of that: a pageferry.v1.Status. `status` must not be OK.
void PrintFailure(const absl::Status& status, absl::string_view endpoint,
                  bool json, std::ostream& err);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_OUTPUT_H_
