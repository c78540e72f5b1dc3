// Figures out of /proc, by pure functions over its text.

#ifndef PAGEFERRY_SERVER_METRICS_PROC_FIGURES_H_
#define PAGEFERRY_SERVER_METRICS_PROC_FIGURES_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"

namespace pageferry::metrics {

// This process. Empty where it cannot be read; a limit of 2^64 - 1 is none.
struct ProcessFigures {
  absl::optional<double> cpu_seconds;
  absl::optional<double> start_time_seconds;  // since the Unix epoch
  absl::optional<double> resident_bytes;
  absl::optional<double> virtual_bytes;
  absl::optional<double> max_virtual_bytes;
  absl::optional<double> threads;
  absl::optional<double> open_descriptors;
  absl::optional<double> max_descriptors;
};

// `stat`: /proc/PID/stat; `boot_stat`: /proc/stat, whose line "btime" has the
// time of boot; `limits`: /proc/PID/limits. proc(5).
ProcessFigures ParseProcessFigures(absl::string_view stat,
                                   absl::string_view boot_stat,
                                   absl::string_view limits);

// Reads the files below `proc_root`. Blocks shortly.
ProcessFigures ReadProcessFigures(const std::string& proc_root);

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_PROC_FIGURES_H_
