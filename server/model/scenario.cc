#include "server/model/scenario.h"

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/tokenizer.h"

namespace pageferry::model {
namespace {

// Complaints beyond these help nobody.
constexpr size_t kMaxComplaints = 20;

class SyntaxErrors final : public google::protobuf::io::ErrorCollector {
 public:
  void AddError(int line, int column, const std::string& message) override {
    errors_.push_back(absl::StrCat("line ", line + 1, ", column ", column + 1,
                                   ": ", message));
  }
  const std::vector<std::string>& errors() const { return errors_; }

 private:
  std::vector<std::string> errors_;
};

// Splits "regions[1]" into the name and 1; the index is -1 where there is none.
std::pair<std::string, int> NameAndIndex(absl::string_view component) {
  const std::pair<absl::string_view, absl::string_view> parts =
      absl::StrSplit(component, absl::MaxSplits('[', 1));
  int index = -1;
  if (!parts.second.empty() &&
      !absl::SimpleAtoi(parts.second.substr(0, parts.second.size() - 1),
                        &index)) {
    index = -1;
  }
  return {std::string(parts.first), index};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Scenario>> Scenario::Parse(
    absl::string_view text) {
  std::unique_ptr<Scenario> scenario(new Scenario());
  SyntaxErrors syntax;
  google::protobuf::TextFormat::Parser parser;
  parser.RecordErrorsTo(&syntax);
  parser.WriteLocationsTo(&scenario->locations_);
  if (!parser.ParseFromString(std::string(text), &scenario->proto_)) {
    return absl::InvalidArgumentError(absl::StrJoin(syntax.errors(), "\n"));
  }
  std::vector<std::string> lines;
  for (const auto& [path, what] : CheckScenario(scenario->proto_)) {
    if (lines.size() == kMaxComplaints) break;
    lines.push_back(scenario->Complain(path, what));
  }
  if (!lines.empty()) {
    return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
  }
  return scenario;
}

int Scenario::LineOf(absl::string_view path) const {
  int line = 1;
  const google::protobuf::TextFormat::ParseInfoTree* tree = &locations_;
  const google::protobuf::Descriptor* type = v1::Scenario::descriptor();
  for (absl::string_view component : absl::StrSplit(path, '.')) {
    const auto [name, index] = NameAndIndex(component);
    const google::protobuf::FieldDescriptor* const field =
        type == nullptr ? nullptr : type->FindFieldByName(name);
    if (field == nullptr || tree == nullptr) break;
    // A list as such stands nowhere, only its elements do.
    if (field->is_repeated() != (index >= 0)) break;
    const int found = tree->GetLocation(field, index).line;
    if (found < 0) break;
    line = found + 1;
    type = field->message_type();
    tree = type == nullptr ? nullptr : tree->GetTreeForNested(field, index);
  }
  return line;
}

std::string Scenario::Complain(absl::string_view path,
                               absl::string_view what) const {
  return absl::StrCat("line ", LineOf(path), ": ", path, ": ", what);
}

absl::Status Scenario::Error(absl::string_view path,
                             absl::string_view what) const {
  return absl::InvalidArgumentError(Complain(path, what));
}

}  // namespace pageferry::model
