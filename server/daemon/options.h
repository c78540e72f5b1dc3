// The command line of pageferryd.

#ifndef PAGEFERRY_SERVER_DAEMON_OPTIONS_H_
#define PAGEFERRY_SERVER_DAEMON_OPTIONS_H_

#include <spdlog/common.h>

#include <cstdint>
#include <ostream>
#include <string>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "server/service/endpoint.h"

namespace pageferry::daemon {

// What moves pages: the running kernel, or a model of one, which is always
// asked for by name and never answers for real memory.
enum class BackendKind { kKernel, kModel };

struct Options {
  std::vector<service::Endpoint> endpoints;
  // Plain TCP, nothing but health; none when empty.
  std::vector<service::Endpoint> health_endpoints;
  std::string metrics_address;  // empty: none
  BackendKind backend = BackendKind::kKernel;
  // With kModel: the file that describes the modelled machine.
  std::string scenario_path;
  bool reflection = false;
  uint64_t max_bytes_per_second = 0;  // 0: no limit
  absl::Duration grace_time;
  spdlog::level::level_enum log_level = spdlog::level::info;
};

// The name of a backend on the command line and in metrics.
std::string BackendName(BackendKind backend);

// Reads the command line. Returns the options, or the code to exit with: after
// --help and --version, which are answered on `out`, or after an error, which
// is told on `err`.
std::variant<Options, int> ParseOptions(int argc, const char* const* argv,
                                        std::ostream& out, std::ostream& err);

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_OPTIONS_H_
