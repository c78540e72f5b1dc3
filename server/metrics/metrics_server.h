// Serves /metrics over HTTP.

#ifndef PAGEFERRY_SERVER_METRICS_METRICS_SERVER_H_
#define PAGEFERRY_SERVER_METRICS_METRICS_SERVER_H_

#include <prometheus/collectable.h>
#include <prometheus/exposer.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pageferry::metrics {

// Thread-safe. Has threads of its own; ends with its destruction.
class MetricsServer {
 public:
  // Listens on `address`, "ADDRESS:PORT"; port 0 has one chosen. Unavailable
  // where that cannot be had.
  static absl::StatusOr<std::unique_ptr<MetricsServer>> Create(
      const std::string& address,
      std::vector<std::shared_ptr<prometheus::Collectable>> collectables);

  // What it listens on, with the port that was chosen.
  const std::string& address() const { return address_; }

 private:
  MetricsServer(
      std::string address, std::unique_ptr<prometheus::Exposer> exposer,
      std::vector<std::shared_ptr<prometheus::Collectable>> collectables);

  const std::string address_;
  // The exposer refers to them weakly; it goes first.
  const std::vector<std::shared_ptr<prometheus::Collectable>> collectables_;
  const std::unique_ptr<prometheus::Exposer> exposer_;
};

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_METRICS_SERVER_H_
