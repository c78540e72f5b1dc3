#include "server/metrics/metrics_server.h"

#include <exception>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pageferry::metrics {
namespace {

// "127.0.0.1:0" with the port in place of the last part.
std::string WithPort(const std::string& address, int port) {
  return absl::StrCat(address.substr(0, address.rfind(':') + 1), port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<MetricsServer>> MetricsServer::Create(
    const std::string& address,
    std::vector<std::shared_ptr<prometheus::Collectable>> collectables) {
  std::unique_ptr<prometheus::Exposer> exposer;
  try {
    exposer = std::make_unique<prometheus::Exposer>(address);
  } catch (const std::exception& error) {
    return absl::UnavailableError(
        absl::StrCat("cannot serve metrics on ", address, ": ", error.what(),
                     " (in use, or not an address of this machine)"));
  }
  for (const auto& collectable : collectables) {
    exposer->RegisterCollectable(collectable);
  }
  std::string bound = WithPort(address, exposer->GetListeningPorts().front());
  return std::unique_ptr<MetricsServer>(new MetricsServer(
      std::move(bound), std::move(exposer), std::move(collectables)));
}

MetricsServer::MetricsServer(
    std::string address, std::unique_ptr<prometheus::Exposer> exposer,
    std::vector<std::shared_ptr<prometheus::Collectable>> collectables)
    : address_(std::move(address)),
      collectables_(std::move(collectables)),
      exposer_(std::move(exposer)) {}

}  // namespace pageferry::metrics
