// Reading scenario files: see proto/pageferry/model/v1/scenario.proto.

#ifndef PAGEFERRY_SERVER_MODEL_SCENARIO_H_
#define PAGEFERRY_SERVER_MODEL_SCENARIO_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "google/protobuf/text_format.h"
#include "pageferry/model/v1/scenario.pb.h"

namespace pageferry::model {

// A scenario and where each of its fields stands in its text. Immutable.
class Scenario {
 public:
  // Parses protobuf text format, and checks that what it says makes sense.
  // kInvalidArgument lists what is wrong, a line each:
  // "line 12: processes[0].regions[1].pages: must be positive".
  static absl::StatusOr<std::unique_ptr<Scenario>> Parse(
      absl::string_view text);

  const v1::Scenario& proto() const { return proto_; }

  // A complaint about the field with that path, as in Parse(); its line is that
  // of the nearest enclosing field that is there.
  std::string Complain(absl::string_view path, absl::string_view what) const;

  // The same as a status.
  absl::Status Error(absl::string_view path, absl::string_view what) const;

 private:
  Scenario() = default;
  int LineOf(absl::string_view path) const;

  v1::Scenario proto_;
  google::protobuf::TextFormat::ParseInfoTree locations_;
};

// Something wrong with a scenario: the path of a field, and what is.
using Complaint = std::pair<std::string, std::string>;

// Everything that makes no sense in a scenario, in the order of its fields.
std::vector<Complaint> CheckScenario(const v1::Scenario& scenario);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_SCENARIO_H_
