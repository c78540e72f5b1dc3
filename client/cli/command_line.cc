#include "client/cli/command_line.h"

#include <algorithm>
#include <utility>

#include "CLI/CLI.hpp"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "client/cli/exit_code.h"
#include "client/cli/words.h"
#include "pageferry/channel.h"

namespace pageferry::client::cli {
namespace {

// "500ms", "2s", "1m": positive and finite. Empty where it is not.
absl::Duration ParseDurationOrZero(const std::string& text) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration) ||
      duration == absl::InfiniteDuration()) {
    return absl::ZeroDuration();
  }
  return std::max(duration, absl::ZeroDuration());
}

CLI::Validator IsDuration() {
  return CLI::Validator(
      [](const std::string& text) {
        return ParseDurationOrZero(text) > absl::ZeroDuration()
                   ? std::string()
                   : absl::StrCat("\"", text,
                                  "\" is not a duration such as 500ms, 2s or "
                                  "1m");
      },
      "DURATION");
}

CLI::Validator IsNumberFrom(int32_t least) {
  return CLI::Validator(
      [least](const std::string& text) {
        int32_t number = 0;
        return absl::SimpleAtoi(text, &number) && number >= least
                   ? std::string()
                   : absl::StrCat("\"", text, "\" is not a number from ", least,
                                  " on");
      },
      "NUMBER");
}

v1::MigrateMode ModeOf(const std::string& name) {
  if (name == "async") return v1::MIGRATE_MODE_ASYNC;
  if (name == "sync-light") return v1::MIGRATE_MODE_SYNC_LIGHT;
  return v1::MIGRATE_MODE_SYNC;
}

v1::SharedPages SharedOf(const std::string& name) {
  if (name.empty()) return v1::SHARED_PAGES_UNSPECIFIED;
  return name == "move" ? v1::SHARED_PAGES_MOVE : v1::SHARED_PAGES_LEAVE;
}

v1::ResultDetail DetailOf(const std::string& name) {
  if (name == "all") return v1::RESULT_DETAIL_ALL;
  if (name == "failures") return v1::RESULT_DETAIL_FAILURES;
  if (name == "summary") return v1::RESULT_DETAIL_SUMMARY;
  return v1::RESULT_DETAIL_UNSPECIFIED;
}

v1::ModeFidelity FidelityOf(const std::string& name) {
  if (name == "screened") return v1::MODE_FIDELITY_SCREENED;
  if (name == "kernel") return v1::MODE_FIDELITY_KERNEL;
  return v1::MODE_FIDELITY_UNSPECIFIED;
}

// Returns the option that names a cgroup.
CLI::Option* AddTarget(CLI::App* app, TargetArguments* target) {
  CLI::Option_group* group = app->add_option_group("target");
  CLI::Option* pid = group->add_option("--pid", target->pid,
                                       "Process id, as pageferryd sees it");
  pid->check(IsNumberFrom(1));
  CLI::Option* cgroup = group->add_option(
      "--cgroup", target->cgroup,
      "All processes in this cgroup (version 2) and below it; / is the root");
  cgroup->type_name("PATH");
  group->require_option(1);
  app->add_option_function<uint64_t>(
         "--start-time",
         [target](const uint64_t& ticks) { target->start_time_ticks = ticks; },
         "Refuse if the process started at another time (field 22 of "
         "/proc/PID/stat): pids are reused")
      ->needs(pid);
  return cgroup;
}

void AddPages(CLI::App* app, PageArguments* pages) {
  app->add_option("--range", pages->ranges,
                  "Consecutive pages; START in bytes, 0x hexadecimal or "
                  "decimal")
      ->type_name("START:PAGES");
  app->add_option("--address", pages->addresses,
                  "Single pages, each by an address in it")
      ->type_name("ADDRESS");
  app->add_option("--pages-file", pages->file,
                  "A line for each ADDRESS or START:PAGES; # begins a "
                  "comment; - is standard input")
      ->type_name("FILE");
}

// Owns the parser and the places that its options write to.
class Parser {
 public:
  Parser();

  absl::variant<CommandLine, int> Parse(
      const std::vector<std::string>& arguments, Console& console);

 private:
  void AddMigrate();
  void AddMigrationOptions(CLI::App* migrate);
  void AddLocate();
  void AddOthers();
  void FinishMigrate();
  CommandLine Chosen();
  std::string CommandNames() const;

  CLI::App app_{
      "Moves memory pages of processes between NUMA nodes, and says where they "
      "are.\nTalks to pageferryd on this machine."};
  CommandLine line_;
  MigrateArguments migrate_;
  LocateArguments locate_;
  ListArguments list_;
  CancelArguments cancel_;
  HealthArguments health_;
  std::string timeout_;
  std::string mode_;
  std::string shared_;
  std::string detail_;
  std::string fidelity_;
  std::string time_budget_;
  uint32_t max_passes_ = 0;
  uint64_t rate_ = 0;
  bool dry_run_ = false;
};

Parser::Parser() {
  app_.name("pageferry");
  app_.set_version_flag("--version", "pageferry " PAGEFERRY_VERSION);
  app_.require_subcommand(1);
  app_.fallthrough();  // global options may stand after the command too
  app_.add_option("--endpoint", line_.endpoint,
                  "Where pageferryd listens: unix:///path, or 127.0.0.1:PORT")
      ->envname("PAGEFERRY_ENDPOINT")
      ->default_str(kDefaultEndpoint)
      ->type_name("ENDPOINT");
  app_.add_flag("--json", line_.json,
                "One JSON object a line, the messages of the API in "
                "protobuf's mapping: 64-bit numbers are strings, and what is "
                "0, false or empty is left out");
  app_.add_option("--timeout", timeout_,
                  "Give up after this time, whatever is left undone")
      ->check(IsDuration());
  app_.footer(
      "Exit codes: 0 done; 1 health: not serving; 2 migrate: pages that exist "
      "did not move;\n3 refused, or no connection; 4 wrong usage.");
  AddMigrate();
  AddLocate();
  AddOthers();
}

void Parser::AddMigrate() {
  CLI::App* migrate = app_.add_subcommand(
      "migrate",
      "Move pages of a process to a node, or all that processes have on some "
      "nodes to others. Ctrl-C asks the daemon to stop and "
      "waits for the summary; a second one does not wait.");
  CLI::Option* cgroup = AddTarget(migrate, &migrate_.target);
  migrate
      ->add_option("--to", migrate_.to,
                   "The node to move to; with --all, several: the lowest of "
                   "--from goes to the lowest of these, and so on in turn")
      ->required()
      ->check(IsNumberFrom(0));
  migrate
      ->add_option("--fallback", migrate_.fallback,
                   "Nodes to try, in order, when that is full")
      ->check(IsNumberFrom(0));
  CLI::Option* all =
      migrate->add_flag("--all", migrate_.all,
                        "All pages that are resident on the nodes of --from");
  cgroup->needs(all);
  migrate
      ->add_option("--from", migrate_.from,
                   "With --all: the nodes to move from (default: all with "
                   "memory but those of --to and --fallback)")
      ->check(IsNumberFrom(0))
      ->needs(all);
  AddPages(migrate, &migrate_.pages);
  for (const char* name : {"--range", "--address", "--pages-file"}) {
    migrate->get_option(name)->excludes(all);
  }
  AddMigrationOptions(migrate);
  migrate->callback([this] { FinishMigrate(); });
}

void Parser::AddMigrationOptions(CLI::App* migrate) {
  migrate
      ->add_option("--mode", mode_,
                   "How long to wait on one page: sync for locks and "
                   "writeback, sync-light for locks, async for nothing")
      ->required()
      ->check(CLI::IsMember({"sync", "sync-light", "async"}));
  migrate
      ->add_option("--shared", shared_,
                   "Pages that other processes map too (default: leave)")
      ->check(CLI::IsMember({"move", "leave"}));
  migrate
      ->add_option("--fidelity", fidelity_,
                   "How async is to be kept where it can be had: by looking at "
                   "each page first, or by the kernel itself (default: "
                   "screened)")
      ->check(CLI::IsMember({"screened", "kernel"}));
  migrate->add_option("--max-passes", max_passes_,
                      "Passes over pages that say \"again\" (default: 10)");
  migrate
      ->add_option("--detail", detail_,
                   "Results that the daemon sends (default: all)")
      ->check(CLI::IsMember({"all", "failures", "summary"}));
  migrate
      ->add_option("--time-budget", time_budget_,
                   "Begin nothing new after this time")
      ->check(IsDuration());
  migrate
      ->add_option("--rate", rate_,
                   "Bytes a second at most; K, M, G are powers of 1024")
      ->transform(CLI::AsSizeValue(false));
  migrate->add_option("--request-id", migrate_.request_id,
                      "Your name for it; refused while another of that name "
                      "runs");
  migrate->add_flag("--dry-run", dry_run_,
                    "Move nothing, say what would be tried");
  migrate->add_flag("--verbose", migrate_.verbose,
                    "List every result and every pass");
}

void Parser::AddLocate() {
  CLI::App* locate = app_.add_subcommand(
      "locate",
      "Say where pages of processes are: all that are resident, or, of "
      "one process, those that are named.");
  CLI::Option* cgroup = AddTarget(locate, &locate_.target);
  AddPages(locate, &locate_.pages);
  for (const char* name : {"--range", "--address", "--pages-file"}) {
    locate->get_option(name)->excludes(cgroup);
  }
}

void Parser::AddOthers() {
  app_.add_subcommand("topology",
                      "The NUMA nodes: memory, tier, speed, distances.");
  app_.add_subcommand("capabilities",
                      "What pageferryd can do here, what it lacks, its "
                      "limits.");
  app_.add_subcommand("list", "Running migrations and the last that ended.")
      ->add_option("--page-size", list_.page_size,
                   "Entries to ask for in one call");
  app_.add_subcommand("cancel", "Ask a migration to stop.")
      ->add_option("id", cancel_.migration_id, "Its id")
      ->required();
  app_.add_subcommand("health",
                      "Whether pageferryd serves: exits with 0, else with 1.")
      ->add_option("--service", health_.service,
                   "Which check (default: readiness)")
      ->check(CLI::IsMember({"readiness", "liveness"}));
}

// What CLI11 has read, as the request's options.
void Parser::FinishMigrate() {
  if (!migrate_.all && migrate_.pages.empty()) {
    throw CLI::ValidationError(
        "pages",
        "name some with --range, --address or --pages-file, or "
        "take --all");
  }
  if (!migrate_.all && migrate_.to.size() > 1) {
    throw CLI::ValidationError("--to", "several nodes go with --all only");
  }
  v1::MigrationOptions& options = migrate_.options;
  options.set_mode(ModeOf(mode_));
  options.set_shared_pages(SharedOf(shared_));
  options.set_result_detail(DetailOf(detail_));
  options.set_preferred_fidelity(FidelityOf(fidelity_));
  options.set_max_bytes_per_second(rate_);
  options.set_validate_only(dry_run_);
  if (max_passes_ > 0) options.mutable_retry()->set_max_passes(max_passes_);
  if (!time_budget_.empty()) {
    *options.mutable_time_budget() = ToProto(ParseDurationOrZero(time_budget_));
  }
}

CommandLine Parser::Chosen() {
  if (line_.endpoint.empty()) line_.endpoint = kDefaultEndpoint;
  if (!timeout_.empty()) line_.timeout = ParseDurationOrZero(timeout_);
  if (app_.got_subcommand("migrate")) {
    line_.command = std::move(migrate_);
  } else if (app_.got_subcommand("locate")) {
    line_.command = std::move(locate_);
  } else if (app_.got_subcommand("topology")) {
    line_.command = TopologyArguments();
  } else if (app_.got_subcommand("capabilities")) {
    line_.command = CapabilitiesArguments();
  } else if (app_.got_subcommand("list")) {
    line_.command = list_;
  } else if (app_.got_subcommand("cancel")) {
    line_.command = std::move(cancel_);
  } else {
    line_.command = std::move(health_);
  }
  return std::move(line_);
}

std::string Parser::CommandNames() const {
  return absl::StrJoin(app_.get_subcommands(nullptr), ", ",
                       [](std::string* out, const CLI::App* command) {
                         out->append(command->get_name());
                       });
}

absl::variant<CommandLine, int> Parser::Parse(
    const std::vector<std::string>& arguments, Console& console) {
  // CLI11 wants them last first.
  std::vector<std::string> reversed(arguments.rbegin(), arguments.rend());
  try {
    app_.parse(std::move(reversed));
  } catch (const CLI::RequiredError& error) {
    const std::vector<std::string> words = app_.remaining();
    if (!app_.get_subcommands().empty() || words.empty()) {
      app_.exit(error, console.out, console.err);
    } else {
      console.err << "\"" << words.front()
                  << "\" is no command; there are: " << CommandNames() << "\n";
    }
    return kExitUsage;
  } catch (const CLI::ParseError& error) {
    const bool helped = app_.exit(error, console.out, console.err) == 0;
    return helped ? kExitOk : kExitUsage;
  }
  return Chosen();
}

}  // namespace

absl::variant<CommandLine, int> ParseCommandLine(
    const std::vector<std::string>& arguments, Console& console) {
  return Parser().Parse(arguments, console);
}

}  // namespace pageferry::client::cli
