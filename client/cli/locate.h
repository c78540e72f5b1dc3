// `pageferry locate`: where pages are.

#ifndef PAGEFERRY_CLIENT_CLI_LOCATE_H_
#define PAGEFERRY_CLIENT_CLI_LOCATE_H_

#include <functional>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "client/cli/interruptible.h"
#include "client/cli/pages.h"
#include "client/cli/session.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

struct ProcessArguments {
  int32_t pid = 0;
  absl::optional<uint64_t> start_time_ticks;

  v1::ProcessRef ToRef() const;
};

struct LocateArguments {
  ProcessArguments process;
  PageArguments pages;  // empty: all that is resident
};

// Prints a row for every run of pages and totals for every node.
int Locate(const LocateArguments& arguments, Session& session);

// Hands every answer to `request` to `on_locations`, until the end or an
// interrupt.
absl::Status ReadLocations(
    const v1::LocatePagesRequest& request, Session& session,
    Interruptible* interruptible,
    const std::function<void(const v1::LocatePagesResponse&)>& on_locations);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_LOCATE_H_
