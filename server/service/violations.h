// Collects what is wrong with a request, so that its sender mends it in one go.

#ifndef PAGEFERRY_SERVER_SERVICE_VIOLATIONS_H_
#define PAGEFERRY_SERVER_SERVICE_VIOLATIONS_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "server/core/limits.h"
#include "server/core/refusal.h"

namespace pageferry::service {

// Not thread-safe.
class Violations {
 public:
  // Notes that `field` ("batches[2].ranges[0].page_count") cannot be accepted.
  // `description` says what is wrong, the value, and what would be right.
  // Beyond kMaxViolations nothing more is noted.
  void Add(std::string field, std::string description) {
    if (full()) return;
    violations_.push_back({std::move(field), std::move(description)});
  }

  bool empty() const { return violations_.empty(); }

  // Whether a search for more is idle.
  bool full() const { return violations_.size() >= core::kMaxViolations; }

  // The refusal that names them all, or OK when there are none.
  absl::Status ToStatus() const;

 private:
  std::vector<core::Violation> violations_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_VIOLATIONS_H_
