#include "server/kernel/node_memory.h"

#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pageferry::kernel {

std::map<core::NodeId, NodeRoom> ParseZoneInfo(absl::string_view text) {
  std::map<core::NodeId, NodeRoom> rooms;
  NodeRoom* room = nullptr;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::ByAnyChar(" ,"), absl::SkipEmpty());
    uint64_t value = 0;
    if (words.size() >= 2 && words[0] == "Node") {
      int32_t node = 0;
      room = absl::SimpleAtoi(words[1], &node) ? &rooms[core::NodeId(node)]
                                               : nullptr;
    } else if (room == nullptr) {
      continue;
    } else if (words.size() == 3 && words[0] == "pages" && words[1] == "free" &&
               absl::SimpleAtoi(words[2], &value)) {
      room->free_pages += value;
    } else if (words.size() == 2 && words[0] == "low" &&
               absl::SimpleAtoi(words[1], &value)) {
      room->low_watermark_pages += value;
    }
  }
  return rooms;
}

absl::StatusOr<NodeRoom> ReadNodeRoom(SystemCalls& system,
                                      const std::string& proc_root,
                                      core::NodeId node) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(system, absl::StrCat(proc_root, "/zoneinfo"));
  if (!text.ok()) return text.status();
  return ParseZoneInfo(*text)[node];
}

}  // namespace pageferry::kernel
