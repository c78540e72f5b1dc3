#include "tests/server/model/drawn.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pageferry::model {
namespace {

constexpr int32_t kGuardedPid = 13;
constexpr uint64_t kGuardedPages = 4;

}  // namespace

Drawn::Drawn(int seed) : random_(seed) {
  absl::StrAppend(&text_, "seed: ", seed, "\n");
  absl::StrAppend(&text_, "traits {", Flag("hides_numa_hints", 4),
                  Flag("linux_4_0_quirks", 8), Flag("no_hugetlb_migration", 8),
                  Flag("callers_reclaim_memory", 8), Flag("numa_balancing"),
                  " }\n");
  DrawNodes();
  DrawFiles();
  DrawProcess(10);
  DrawProcess(11);
  if (Below(2) == 0) text_ += "processes { pid: 12 fork_of: 10 }\n";
  DrawGuardedProcess();
  DrawFaults();
  DrawEvents();
}

bool Drawn::may_vanish() const {
  return absl::StrContains(text_, "process_events") ||
         absl::StrContains(text_, "kinds: 10") ||
         absl::StrContains(text_, "kinds: 11");
}

std::string Drawn::Flag(absl::string_view name, uint64_t one_in) {
  return absl::StrCat(" ", name, ": ", Below(one_in) == 0 ? "true" : "false");
}

std::string Drawn::Node() {
  return absl::StrCat("placements { node: 0 weight: ", 1 + Below(9), " } ",
                      "placements { node: ", Below(2), " } ");
}

void Drawn::DrawNodes() {
  nodes_ = static_cast<int>(2 + Below(3));
  for (int node = 0; node < nodes_; ++node) {
    // Some are too small for all that may be asked of them.
    absl::StrAppend(&text_, "nodes { id: ", node,
                    " capacity_pages: ", node < 2 ? 8192 : 64 + Below(2000),
                    Flag("has_cpu", 2), " }\n");
  }
}

void Drawn::DrawFiles() {
  for (int file = 0; file < 3; ++file) {
    // Buffers and none are those with most to go wrong.
    const uint64_t migrate = Below(2) == 0 ? 1 + Below(4) : 2 + 2 * Below(2);
    absl::StrAppend(&text_, "files { name: 'f", file,
                    "' pages: 32 placements { node: 0 }", " migrate: ", migrate,
                    " writepage: ", 1 + Below(3),
                    " write_latency_ms: ", Below(5), Flag("dirty", 2),
                    migrate % 2 == 0 ? Flag("private_data", 2) : "",
                    Flag("keeps_private_data"), " }\n");
  }
  absl::StrAppend(&text_, "balloons { name: 'b' pages: 8 ",
                  "placements { node: 0 }", Flag("refuses_migration"), " }\n");
}

void Drawn::DrawProcess(int pid) {
  absl::StrAppend(&text_, "processes { pid: ", pid, "\n");
  uint64_t page = core::kHugePagePages;
  const uint64_t regions = 2 + Below(5);
  for (uint64_t i = 0; i < regions; ++i) {
    const uint64_t kind = 1 + Below(11);
    uint64_t pages = 1 + Below(32);
    std::string more;
    if (kind == 2 || kind == 3) {
      page = (page + core::kHugePagePages - 1) / core::kHugePagePages *
             core::kHugePagePages;
      pages = core::kHugePagePages;
    }
    if (kind <= 3 || kind == 6) more = Node();
    if (kind == 4 || kind == 5) more = absl::StrCat("source: 'f", i % 3, "'");
    if (kind == 11) more = "source: 'b'";
    if (kind == 11) pages = 1 + Below(8);
    if (kind == 1) {
      more += Flag("swap_cached") + Flag("mlocked") + Flag("temporary_stack");
    }
    absl::StrAppend(&text_,
                    "regions { start_address: ", page * core::kPageBytes,
                    " pages: ", pages, " kind: ", kind, " ", more,
                    " protection: ", 1 + Below(3), Flag("numa_hinted"), " }\n");
    if (kind == 11) balloons_[pid - 10].insert(runs_[pid - 10].size());
    runs_[pid - 10].push_back(Pages(page, pages));
    page += pages + Below(3);
  }
  text_ += "}\n";
}

void Drawn::DrawGuardedProcess() {
  const bool movable = Below(3) != 0;
  const bool permitted = Below(3) != 0;
  absl::StrAppend(
      &text_, "processes { pid: ", kGuardedPid,
      " regions { start_address: ", core::kHugePagePages * core::kPageBytes,
      " pages: ", kGuardedPages, " placements { node: 0 } }",
      movable ? "" : " not_movable: true",
      permitted ? "" : " not_permitted: true", " }\n");
  if (!permitted) guard_ = core::RefusalReason::kKernelRefuses;
  if (!movable) guard_ = core::RefusalReason::kTargetNotMovable;
}

Request Drawn::RequestOfGuarded() const {
  Request request = Move({Pages(core::kHugePagePages, kGuardedPages)});
  request.pid = kGuardedPid;
  return request;
}

void Drawn::DrawFaults() {
  // A page that takes another's slot breaks the books by design.
  breaks_books_ = Below(16) == 0;
  for (int pid : {10, 11}) {
    absl::StrAppend(&text_, "random_page_faults { pid: ", pid,
                    " per_mille: ", 1 + Below(400),
                    " max_tries: ", 1 + Below(12), " max_from_try: ", Below(3));
    for (int i = 0; i < 4; ++i) {
      absl::StrAppend(&text_, " kinds: ", 1 + Below(11));
    }
    text_ += breaks_books_ ? " kinds: 12 }\n" : " }\n";
  }
  // Chance chooses mapped pages only, and a balloon's are not.
  for (int i = 0; i < 4; ++i) {
    const uint64_t process = Below(2);
    const auto& regions = runs_[process];
    const uint64_t region = Below(regions.size());
    const bool balloon = balloons_[process].count(region) > 0;
    absl::StrAppend(
        &text_, "page_faults { pid: ", 10 + process,
        " kind: ", balloon ? 7 : 1 + Below(9), " address: ",
        regions[region].start.PlusPages(Below(regions[region].pages)).value(),
        " from_try: ", Below(3), " until_ms: ", 1 + Below(20), " }\n");
  }
}

void Drawn::DrawEvents() {
  if (Below(6) == 0) {
    absl::StrAppend(&text_, "process_events { pid: 10 kind: ", 1 + Below(4),
                    " batch: ", Below(3), " allowed_nodes: 0 }\n");
  }
  if (Below(4) == 0) {
    absl::StrAppend(&text_, "fill_events { node: ", Below(nodes_),
                    " batch: ", Below(3), " leave_free_pages: ", Below(600),
                    " }\n");
  }
}

DrawnRequest Drawn::DrawRequest() {
  DrawnRequest drawn;
  Request& request = drawn.request;
  request.pid = 10 + static_cast<int32_t>(Below(2));
  const auto& regions = runs_[request.pid - 10];
  const bool two_placements = Below(4) == 0;
  for (const core::PageRun& region : regions) {
    if (Below(4) == 0) continue;
    const uint64_t skipped = Below(region.pages);
    const uint64_t left = region.pages - skipped;
    const core::VirtualAddress start = region.start.PlusPages(skipped);
    if (!two_placements) {
      // Reaches beyond its end at times.
      request.runs.push_back({start, 1 + Below(left + 4)});
      continue;
    }
    const uint64_t first = 1 + Below(left);
    request.runs.push_back({start, first});
    if (first < left) {
      request.other_runs.push_back({start.PlusPages(first), left - first});
    }
  }
  if (request.runs.empty()) request.runs.push_back(regions.front());
  // Where no process has a page.
  if (Below(16) == 0) {
    request.runs.push_back({core::kEndOfUserAddresses, 1 + Below(3)});
  }
  request.nodes = {static_cast<int32_t>(Below(nodes_))};
  request.other_node = static_cast<int32_t>(Below(nodes_));
  if (Below(2) == 0) request.nodes.push_back((request.nodes[0] + 1) % nodes_);
  request.parameters.mode = static_cast<core::Mode>(1 + Below(3));
  request.parameters.move_shared = Below(2) == 0;
  request.parameters.validate_only = Below(8) == 0;
  request.options.max_passes = static_cast<uint32_t>(1 + Below(10));
  request.options.initial_backoff = absl::ZeroDuration();
  request.options.max_batch_pages = static_cast<uint32_t>(16 + Below(600));
  if (Below(8) == 0) drawn.time_budget = absl::Milliseconds(Below(8));
  drawn.stop_after_passes = static_cast<uint32_t>(1 + Below(4));
  if (Below(8) == 0) drawn.stop = core::StopReason::kCancelled;
  if (Below(8) == 0) drawn.stop = core::StopReason::kDraining;
  return drawn;
}

}  // namespace pageferry::model
