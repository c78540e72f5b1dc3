#include "server/metrics/proc_figures.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pageferry::metrics {
namespace {

std::string ReadText(const std::string& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

absl::optional<double> NumberAt(const std::vector<absl::string_view>& fields,
                                size_t index) {
  double number = 0;
  if (index >= fields.size() || !absl::SimpleAtod(fields[index], &number)) {
    return absl::nullopt;
  }
  return number;
}

// Fields of the line that begins with `prefix`, what follows the prefix.
std::vector<absl::string_view> LineFields(absl::string_view text,
                                          absl::string_view prefix) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, prefix)) continue;
    return absl::StrSplit(line.substr(prefix.size()), ' ', absl::SkipEmpty());
  }
  return {};
}

// The soft limit in the line that begins with `name`, as setrlimit(2) writes
// it: RLIM_INFINITY where there is none.
absl::optional<double> SoftLimit(absl::string_view limits,
                                 absl::string_view name) {
  const auto fields = LineFields(limits, name);
  if (!fields.empty() && fields[0] == "unlimited") return RLIM_INFINITY;
  return NumberAt(fields, 0);
}

absl::optional<double> CountEntries(const std::string& directory) {
  std::error_code error;
  std::filesystem::directory_iterator entries(directory, error);
  if (error) return absl::nullopt;
  return static_cast<double>(std::distance(std::filesystem::begin(entries),
                                           std::filesystem::end(entries)));
}

}  // namespace

ProcessFigures ParseProcessFigures(absl::string_view stat,
                                   absl::string_view boot_stat,
                                   absl::string_view limits) {
  ProcessFigures figures;
  // The name in parentheses, field 2, may hold anything, parentheses too; what
  // follows the last one begins with field 3.
  const size_t name_end = stat.rfind(')');
  if (name_end != absl::string_view::npos) {
    const std::vector<absl::string_view> fields = absl::StrSplit(
        stat.substr(name_end + 1), absl::ByAnyChar(" \n"), absl::SkipEmpty());
    const double ticks_per_second = sysconf(_SC_CLK_TCK);
    const auto field = [&](size_t number) {
      return NumberAt(fields, number - 3);
    };
    if (field(14) && field(15)) {
      figures.cpu_seconds = (*field(14) + *field(15)) / ticks_per_second;
    }
    const auto boot = NumberAt(LineFields(boot_stat, "btime "), 0);
    if (field(22) && boot) {
      figures.start_time_seconds = *boot + *field(22) / ticks_per_second;
    }
    figures.threads = field(20);
    figures.virtual_bytes = field(23);
    if (field(24)) {
      figures.resident_bytes = *field(24) * sysconf(_SC_PAGESIZE);
    }
  }
  figures.max_descriptors = SoftLimit(limits, "Max open files");
  figures.max_virtual_bytes = SoftLimit(limits, "Max address space");
  return figures;
}

ProcessFigures ReadProcessFigures(const std::string& proc_root) {
  ProcessFigures figures =
      ParseProcessFigures(ReadText(absl::StrCat(proc_root, "/self/stat")),
                          ReadText(absl::StrCat(proc_root, "/stat")),
                          ReadText(absl::StrCat(proc_root, "/self/limits")));
  figures.open_descriptors = CountEntries(absl::StrCat(proc_root, "/self/fd"));
  return figures;
}

}  // namespace pageferry::metrics
