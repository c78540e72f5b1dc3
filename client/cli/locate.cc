#include "client/cli/locate.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "client/cli/exit_code.h"
#include "client/cli/interruptible.h"
#include "client/cli/output.h"
#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

std::string StatesText(const v1::PageLocation& location) {
  std::string text;
  for (const int state : location.states()) {
    if (!text.empty()) text += ' ';
    text += Word(static_cast<v1::PageState>(state));
  }
  return text;
}

// Rows as they come, totals in the end.
class LocationTable {
 public:
  // `group`: of several processes, so each row belongs to one of them.
  LocationTable(std::ostream* out, bool group) : out_(out), group_(group) {}

  void Add(const v1::LocatePagesResponse& response) {
    if (group_ && response.pid() != pid_) {
      *out_ << "process " << response.pid() << "\n";
    }
    pid_ = response.pid();
    for (const v1::PageLocation& location : response.locations()) {
      AddRow(location);
      if (location.has_node()) {
        on_node_[location.node()] += location.page_count();
      } else {
        unlocated_[Word(location.unlocated_reason())] += location.page_count();
      }
    }
  }

  void PrintTotals() const {
    if (rows_ > 0) *out_ << "\n";
    Table table({"WHERE", ">PAGES", ">MEMORY"});
    for (const auto& [node, pages] : on_node_) {
      table.AddRow({absl::StrCat("node ", node), absl::StrCat(pages),
                    BytesText(pages * kPageBytes)});
    }
    for (const auto& [reason, pages] : unlocated_) {
      table.AddRow({reason, absl::StrCat(pages), "-"});
    }
    table.Print(*out_);
    out_->flush();
  }

 private:
  void AddRow(const v1::PageLocation& location) {
    constexpr char kRow[] = "%-18s %10s %4s  %-12s %s\n";
    if (rows_++ == 0) {
      *out_ << absl::StreamFormat(kRow, "START", "PAGES", "NODE", "REASON",
                                  "STATES");
    }
    *out_ << absl::StreamFormat(
        kRow, AddressText(location.start_address()),
        absl::StrCat(location.page_count()),
        location.has_node() ? absl::StrCat(location.node()) : "-",
        location.has_node() ? "-" : Word(location.unlocated_reason()),
        StatesText(location));
  }

  std::ostream* const out_;
  const bool group_;
  int32_t pid_ = 0;
  uint64_t rows_ = 0;
  std::map<int32_t, uint64_t> on_node_;
  std::map<std::string, uint64_t> unlocated_;
};

}  // namespace

v1::Target TargetArguments::ToTarget() const {
  v1::Target target;
  if (!cgroup.empty()) {
    target.set_cgroup(cgroup);
    return target;
  }
  target.mutable_process()->set_pid(pid);
  if (start_time_ticks.has_value()) {
    target.mutable_process()->set_start_time_ticks(*start_time_ticks);
  }
  return target;
}

int Locate(const LocateArguments& arguments, Session& session) {
  std::vector<PageChunk> chunks(1);  // one without a list: all
  if (!arguments.pages.empty()) {
    const absl::StatusOr<std::vector<PageRun>> runs =
        ReadPages(arguments.pages, session.console.in);
    if (!runs.ok()) return session.FailUsage(runs.status().message());
    chunks = SplitPages(*runs);
  }
  Interruptible interruptible(&session.interrupter, session.channel);
  LocationTable table(&session.console.out, !arguments.target.cgroup.empty());
  for (const PageChunk& chunk : chunks) {
    v1::LocatePagesRequest request;
    *request.mutable_target() = arguments.target.ToTarget();
    chunk.AppendTo(&request);
    LocationStream stream = session.client.LocatePages(request, session.call);
    interruptible.Begin([&stream] { stream.Cancel(); });
    while (const auto response = stream.Next()) {
      if (session.json) {
        PrintJson(*response, session.console.out);
      } else {
        table.Add(*response);
      }
    }
    const absl::Status status = stream.Finish();
    interruptible.End();
    if (!status.ok()) return session.Fail(status);
  }
  if (!session.json) table.PrintTotals();
  return kExitOk;
}

}  // namespace pageferry::client::cli
