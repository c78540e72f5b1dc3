#include "server/daemon/options.h"

#include <CLI/CLI.hpp>
#include <map>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "server/daemon/build_info.h"
#include "server/daemon/exit_code.h"

namespace pageferry::daemon {
namespace {

constexpr char kDescription[] =
    "Moves memory pages of processes between the NUMA nodes of this machine, "
    "as asked by gRPC.";

constexpr char kFooter[] =
    "Signals:\n"
    "  SIGTERM, SIGINT  end, once what runs has stopped and been answered;\n"
    "                   a second one ends at once\n"
    "Exit codes:\n"
    "  0  ended as asked\n"
    "  1  could not start, or left work behind when it ended\n"
    "  4  the command line is wrong\n";

constexpr char kOff[] = "off";

// The command line as it is written.
struct RawOptions {
  std::vector<std::string> listen = {"unix:///run/pageferry/pageferry.sock"};
  bool insecure_loopback = false;
  std::string metrics_address = "127.0.0.1:9464";
  std::string health_address = kOff;
  std::string backend = "kernel";
  std::string scenario;
  bool reflection = false;
  uint64_t max_bytes_per_second = 0;
  std::string grace_time = "30s";
  std::string log_level = "info";
};

const std::map<std::string, spdlog::level::level_enum>& LogLevels() {
  static const auto& levels =
      *new std::map<std::string, spdlog::level::level_enum>{
          {"info", spdlog::level::info},
          {"warning", spdlog::level::warn},
          {"error", spdlog::level::err}};
  return levels;
}

void Declare(CLI::App* app, RawOptions* raw) {
  app->add_option("--listen", raw->listen,
                  "Endpoint of the API: unix:///PATH, or ADDRESS:PORT on the "
                  "loopback; may be given more than once")
      ->capture_default_str();
  app->add_flag("--insecure-loopback", raw->insecure_loopback,
                "Serve the API on loopback TCP, open to every local user");
  app->add_option("--metrics-address", raw->metrics_address,
                  "ADDRESS:PORT of Prometheus metrics, or off")
      ->capture_default_str();
  app->add_option("--health-address", raw->health_address,
                  "ADDRESS:PORT of a second server which answers gRPC health "
                  "checks only, in plain TCP, or off")
      ->capture_default_str();
  app->add_option("--backend", raw->backend,
                  "What moves pages: the running kernel, or a model of one "
                  "with pages of its own")
      ->check(CLI::IsMember({BackendName(BackendKind::kKernel),
                             BackendName(BackendKind::kModel)}))
      ->capture_default_str();
  app->add_option("--scenario", raw->scenario,
                  "With --backend=model: the file that describes the modelled "
                  "machine")
      ->type_name("FILE");
  app->add_flag("--reflection", raw->reflection,
                "Let clients read the API's description");
  app->add_option("--max-bytes-per-second", raw->max_bytes_per_second,
                  "Bytes a second that all migrations together may move; 0 "
                  "for no limit")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  app->add_option("--grace-time", raw->grace_time,
                  "How long the end may take, for example 30s or 1m")
      ->capture_default_str();
  app->add_option("--log-level", raw->log_level, "Lines under it are dropped")
      ->check(CLI::IsMember(LogLevels()))
      ->capture_default_str();
  app->set_version_flag("--version", absl::StrCat("pageferryd ", BuildVersion(),
                                                  " (", BuildRevision(), ")"));
  app->footer(kFooter);
}

// "ADDRESS:PORT" for the health server, which may be open to all.
service::Endpoint HealthEndpoint(const std::string& address) {
  return {address, ""};
}

absl::StatusOr<Options> Interpret(const RawOptions& raw) {
  Options options;
  for (const std::string& text : raw.listen) {
    auto endpoint = service::ParseEndpoint(text, raw.insecure_loopback);
    if (!endpoint.ok()) return endpoint.status();
    options.endpoints.push_back(*std::move(endpoint));
  }
  if (raw.metrics_address != kOff) {
    options.metrics_address = raw.metrics_address;
  }
  if (raw.health_address != kOff) {
    options.health_endpoints.push_back(HealthEndpoint(raw.health_address));
  }
  if (raw.backend == BackendName(BackendKind::kModel)) {
    options.backend = BackendKind::kModel;
  }
  if ((options.backend == BackendKind::kModel) == raw.scenario.empty()) {
    return absl::InvalidArgumentError(
        "--scenario FILE goes with --backend=model, and the other way round");
  }
  options.scenario_path = raw.scenario;
  options.reflection = raw.reflection;
  options.max_bytes_per_second = raw.max_bytes_per_second;
  if (!absl::ParseDuration(raw.grace_time, &options.grace_time) ||
      options.grace_time <= absl::ZeroDuration() ||
      options.grace_time > absl::Hours(24)) {
    return absl::InvalidArgumentError(
        absl::StrCat("--grace-time is \"", raw.grace_time,
                     "\"; must be a length of time such as 30s or 1m, more "
                     "than 0 and at most 24h"));
  }
  options.log_level = LogLevels().at(raw.log_level);
  return options;
}

}  // namespace

std::string BackendName(BackendKind backend) {
  switch (backend) {
    case BackendKind::kKernel:
      return "kernel";
    case BackendKind::kModel:
      return "model";
  }
  return "";
}

std::variant<Options, int> ParseOptions(int argc, const char* const* argv,
                                        std::ostream& out, std::ostream& err) {
  RawOptions raw;
  CLI::App app(kDescription, "pageferryd");
  Declare(&app, &raw);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error, out, err) == 0 ? kExitOk : kExitUsage;
  }
  absl::StatusOr<Options> options = Interpret(raw);
  if (!options.ok()) {
    err << options.status().message() << "\n"
        << "Run with --help for more information.\n";
    return kExitUsage;
  }
  return *std::move(options);
}

}  // namespace pageferry::daemon
