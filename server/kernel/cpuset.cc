#include "server/kernel/cpuset.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace pageferry::kernel {

using core::NodeId;

namespace {

// No kernel is built with more nodes (CONFIG_NODES_SHIFT is at most 10).
constexpr int32_t kMaxNodes = 1024;

}  // namespace

absl::StatusOr<std::vector<NodeId>> ParseNodeList(absl::string_view text) {
  std::vector<NodeId> nodes;
  text = absl::StripAsciiWhitespace(text);
  if (text.empty()) return nodes;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const size_t dash = part.find('-');
    const bool range = dash != absl::string_view::npos;
    int32_t first = 0;
    int32_t last = 0;
    if (!absl::SimpleAtoi(part.substr(0, dash), &first) ||
        !absl::SimpleAtoi(range ? part.substr(dash + 1) : part, &last) ||
        first < 0 || last < first || last >= kMaxNodes) {
      return absl::InvalidArgumentError(
          absl::StrCat("not a list of nodes: \"", text, "\""));
    }
    for (int32_t node = first; node <= last; ++node) nodes.emplace_back(node);
  }
  return nodes;
}

std::string FormatNodeList(const std::vector<NodeId>& nodes) {
  std::vector<std::string> parts;
  for (size_t i = 0; i < nodes.size();) {
    size_t end = i + 1;
    while (end < nodes.size() &&
           nodes[end].value() == nodes[end - 1].value() + 1) {
      ++end;
    }
    parts.push_back(end - i == 1 ? absl::StrCat(nodes[i].value())
                                 : absl::StrCat(nodes[i].value(), "-",
                                                nodes[end - 1].value()));
    i = end;
  }
  return parts.empty() ? "none" : absl::StrJoin(parts, ",");
}

absl::StatusOr<std::vector<NodeId>> ReadAllowedNodes(
    SystemCalls& system, const std::string& proc_root,
    absl::string_view process) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(system, absl::StrCat(proc_root, "/", process, "/status"));
  if (!text.ok()) return text.status();
  for (absl::string_view line : absl::StrSplit(*text, '\n')) {
    if (absl::ConsumePrefix(&line, "Mems_allowed_list:")) {
      return ParseNodeList(line);
    }
  }
  return absl::NotFoundError(
      absl::StrCat("no Mems_allowed_list in the status of ", process));
}

}  // namespace pageferry::kernel
