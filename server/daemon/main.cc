// pageferryd.

#include <spdlog/sinks/stdout_sinks.h>
#include <sys/stat.h>
#include <unistd.h>

#include <iostream>
#include <memory>
#include <string>
#include <variant>

#include "server/core/clock.h"
#include "server/daemon/backends.h"
#include "server/daemon/daemon.h"
#include "server/daemon/exit_code.h"
#include "server/daemon/options.h"
#include "server/daemon/signals.h"
#include "server/service/event_log.h"

namespace pageferry::daemon {
namespace {

int Main(int argc, char** argv) {
  const std::variant<Options, int> parsed =
      ParseOptions(argc, argv, std::cout, std::cerr);
  if (const int* exit_code = std::get_if<int>(&parsed)) return *exit_code;
  const Options& options = std::get<Options>(parsed);

  BlockSignals();
  umask(0007);  // sockets: for the owner and the group
  core::SystemClock clock;
  service::EventLog log(std::make_shared<spdlog::sinks::stderr_sink_mt>(),
                        options.log_level, &clock);
  auto daemon = Daemon::Create(options, CreateBackend, &log);
  if (!daemon.ok()) {
    log.Error("cannot start",
              {{"error", std::string(daemon.status().message())}});
    return kExitFailure;
  }
  bool second = false;
  const SignalThread signals([&](int signal) {
    if (second) {
      log.Error("ended at once by a second signal", {{"signal", signal}});
      _exit(kExitFailure);
    }
    second = true;
    log.Info("asked to end", {{"signal", signal}});
    (*daemon)->RequestShutdown();
  });
  (*daemon)->Run();
  return kExitOk;
}

}  // namespace
}  // namespace pageferry::daemon

int main(int argc, char** argv) { return pageferry::daemon::Main(argc, argv); }
