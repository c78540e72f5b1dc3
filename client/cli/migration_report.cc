#include "client/cli/migration_report.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "client/cli/output.h"
#include "client/cli/progress_bar.h"
#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

// Failed runs of pages that are listed without --verbose.
constexpr int kListedFailures = 20;

void PrintUnaccounted(const MigrationTotals& totals, std::ostream& out) {
  if (totals.unknown_pages > 0) {
    out << "pageferry: the answer broke off; pages that may or may not have "
           "moved: "
        << totals.unknown_pages << "\n";
  }
  if (totals.unsent_pages > 0) {
    out << "pageferry: it ended before their turn; pages not asked for: "
        << totals.unsent_pages << "\n";
  }
}

class JsonReport : public MigrationReport {
 public:
  explicit JsonReport(Console* console) : console_(console) {}

  void OnEvent(const v1::MigrationEvent& event) override {
    PrintJson(event, console_->out);
  }

  void OnEnd(const MigrationTotals& totals) override {
    PrintUnaccounted(totals, console_->err);
  }

 private:
  Console* const console_;
};

std::string NodeText(bool known, int32_t node) {
  return known ? absl::StrCat(node) : "-";
}

std::string ReasonsText(
    const google::protobuf::RepeatedPtrField<v1::ReasonCount>& reasons) {
  return absl::StrJoin(
      reasons, ", ", [](std::string* out, const v1::ReasonCount& count) {
        absl::StrAppend(out, Word(count.reason()), " ", count.page_count());
      });
}

std::string MovedText(const v1::MigrationSummary& summary) {
  std::string text = BytesText(summary.moved_bytes());
  if (summary.companion_pages() > 0) text += " with companions";
  for (const v1::NodePages& node : summary.moved_to()) {
    absl::StrAppend(&text, "; node ", node.node(), ": ", node.page_count());
  }
  return text;
}

class TextReport : public MigrationReport {
 public:
  TextReport(Console* console, uint64_t total_pages, bool verbose)
      : console_(console),
        total_pages_(total_pages),
        verbose_(verbose),
        progress_(&console->err, console->err_is_terminal) {}

  void OnEvent(const v1::MigrationEvent& event) override {
    switch (event.kind_case()) {
      case v1::MigrationEvent::kStarted:
        OnStarted(event.started());
        break;
      case v1::MigrationEvent::kProcessJoined:
        OnProcessJoined(event.process_joined());
        break;
      case v1::MigrationEvent::kResults:
        pid_ = event.results().pid();
        for (const v1::PageResult& result : event.results().results()) {
          OnResult(result);
        }
        break;
      case v1::MigrationEvent::kPassCompleted:
        OnPass(event.pass_completed());
        break;
      case v1::MigrationEvent::kSummary:
        settled_before_ += event.summary().requested_pages();
        settled_ = 0;
        pass_settled_ = 0;
        break;
      default:
        break;  // a later version's
    }
    progress_.Update(settled_before_ + settled_, total_pages_);
  }

  void OnEnd(const MigrationTotals& totals) override {
    progress_.Hide();
    std::ostream& out = console_->out;
    if (unlisted_ > 0) {
      out << "... and " << unlisted_ << " more; --verbose lists them all\n";
    }
    if (listed_ > 0) out << "\n";
    if (!totals.summarized) {
      PrintNoSummary();
    } else {
      PrintHead(totals.summary);
      PrintCounts(totals.summary);
      PrintFailures(totals.summary);
    }
    out.flush();
    PrintUnaccounted(totals, console_->err);
  }

 private:
  void OnStarted(const v1::MigrationStarted& started) {
    migrations_.push_back(started.migration_id());
    group_ = started.processes_size() > 1;
    backend_ = started.backend();
    fidelity_ = Word(started.fidelity());
    if (!verbose_) return;
    progress_.Hide();
    console_->out << "migration " << started.migration_id() << " started\n";
  }

  void OnProcessJoined(const v1::ProcessJoined& joined) {
    group_ = true;
    if (!verbose_) return;
    progress_.Hide();
    console_->out << "process " << joined.process().pid() << " joined\n";
  }

  void OnResult(const v1::PageResult& result) {
    settled_ += result.page_count();
    const bool failed = result.outcome() == v1::PAGE_OUTCOME_FAILED ||
                        result.outcome() == v1::PAGE_OUTCOME_NOT_ATTEMPTED;
    if (!verbose_) {
      if (!failed || IsAbsent(result.reason())) return;
      if (listed_ == kListedFailures) {
        ++unlisted_;
        return;
      }
    }
    PrintResult(result);
  }

  void OnPass(const v1::PassCompleted& pass) {
    pass_settled_ += pass.moved_pages() + pass.failed_pages();
    settled_ = std::max(settled_, pass_settled_);
    if (!verbose_) return;
    progress_.Hide();
    console_->out << "pass " << pass.pass()
                  << (pass.forced() ? " (forced)" : "") << ": moved "
                  << pass.moved_pages() << ", again " << pass.retry_pages()
                  << ", failed " << pass.failed_pages();
    if (pass.retry_reasons_size() > 0) {
      console_->out << "; again: " << ReasonsText(pass.retry_reasons());
    }
    console_->out << "\n";
  }

  // Rows come while pages move, so their columns cannot wait to be measured.
  void PrintResult(const v1::PageResult& result) {
    progress_.Hide();
    constexpr char kRow[] = "%-18s %10s %4s %4s %6s  %-14s %s\n";
    if (listed_++ == 0) {
      console_->out << absl::StreamFormat(kRow, "START", "PAGES", "FROM",
                                          "NODE", "PASSES", "OUTCOME",
                                          "REASON");
    }
    if (group_ && pid_ != listed_pid_) {
      console_->out << "process " << pid_ << "\n";
      listed_pid_ = pid_;
    }
    const bool why = result.reason() != v1::PAGE_REASON_UNSPECIFIED;
    console_->out << absl::StreamFormat(
        kRow, AddressText(result.start_address()),
        absl::StrCat(result.page_count()),
        NodeText(result.has_source_node(), result.source_node()),
        NodeText(result.has_node(), result.node()),
        absl::StrCat(result.passes()), Word(result.outcome()),
        why ? Word(result.reason()) : "-");
  }

  // The answer broke off: what the migration has done is not known here.
  void PrintNoSummary() {
    if (migrations_.empty()) return;
    console_->out << "migration " << migrations_.front()
                  << ": no summary arrived; pageferry list says what it did\n";
  }

  void PrintHead(const v1::MigrationSummary& summary) {
    std::ostream& out = console_->out;
    out << "migration " << migrations_.front();
    if (migrations_.size() > 1) {
      out << " and " << migrations_.size() - 1 << " more, together";
    }
    out << " (" << backend_ << ", " << fidelity_
        << "): " << Word(summary.stop_reason()) << " in "
        << DurationText(ToDuration(summary.elapsed())) << ", passes "
        << summary.passes() << "\n";
  }

  void PrintCounts(const v1::MigrationSummary& summary) {
    const auto line = [this](absl::string_view name, uint64_t pages,
                             absl::string_view note) {
      console_->out << absl::StreamFormat("  %-16s %12u%s%s\n", name, pages,
                                          note.empty() ? "" : "  ", note);
    };
    line("requested", summary.requested_pages(), "");
    line("moved", summary.moved_pages(),
         summary.moved_pages() > 0 ? MovedText(summary) : "");
    line("already placed", summary.already_placed_pages(), "");
    line("failed", summary.failed_pages(), "");
    line("not attempted", summary.not_attempted_pages(), "");
    if (summary.would_move_pages() > 0) {
      line("would move", summary.would_move_pages(), "");
    }
    if (summary.companion_pages() > 0) {
      line("companions", summary.companion_pages(),
           "not requested, moved with their huge page");
    }
    if (summary.retried_pages() > 0) {
      line("retries", summary.retried_pages(), "");
    }
    if (summary.kernel_fidelity_pages() > 0) {
      line("by the kernel", summary.kernel_fidelity_pages(),
           "of the moved, in the kernel's own async mode");
    }
    if (summary.unverified_pages() > 0) {
      line("unverified", summary.unverified_pages(),
           "not attempted, yet perhaps moved: the kernel did not return");
    }
  }

  void PrintFailures(const v1::MigrationSummary& summary) {
    if (summary.failures_size() == 0) return;
    Table table({"  REASON", ">PAGES", "MEANING"});
    for (const v1::ReasonCount& failure : summary.failures()) {
      table.AddRow({"  " + Word(failure.reason()),
                    absl::StrCat(failure.page_count()),
                    std::string(Meaning(failure.reason()))});
    }
    console_->out << "not moved, by reason:\n";
    table.Print(console_->out);
  }

  Console* const console_;
  const uint64_t total_pages_;
  const bool verbose_;
  ProgressBar progress_;
  std::vector<std::string> migrations_;
  std::string backend_;
  std::string fidelity_;
  // Whether pages of several processes come; whose came last; whose row was
  // printed last.
  bool group_ = false;
  int32_t pid_ = 0;
  int32_t listed_pid_ = 0;
  uint64_t settled_before_ = 0;  // pages of requests that have ended
  uint64_t settled_ = 0;         // of the one that runs, by what is reported
  uint64_t pass_settled_ = 0;    // of the one that runs, by its passes
  int listed_ = 0;
  uint64_t unlisted_ = 0;
};

}  // namespace

std::unique_ptr<MigrationReport> NewJsonReport(Console* console) {
  return std::make_unique<JsonReport>(console);
}

std::unique_ptr<MigrationReport> NewTextReport(Console* console,
                                               uint64_t total_pages,
                                               bool verbose) {
  return std::make_unique<TextReport>(console, total_pages, verbose);
}

}  // namespace pageferry::client::cli
