// `pageferry locate`: where pages are.

#ifndef PAGEFERRY_CLIENT_CLI_LOCATE_H_
#define PAGEFERRY_CLIENT_CLI_LOCATE_H_

#include <string>

#include "absl/types/optional.h"
#include "client/cli/pages.h"
#include "client/cli/session.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

// A process, or all in and below a cgroup.
struct TargetArguments {
  int32_t pid = 0;  // where `cgroup` is empty
  absl::optional<uint64_t> start_time_ticks;
  std::string cgroup;

  v1::Target ToTarget() const;
};

struct LocateArguments {
  TargetArguments target;
  PageArguments pages;  // empty: all that is resident
};

// Prints a row for every run of pages and totals for every node.
int Locate(const LocateArguments& arguments, Session& session);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_LOCATE_H_
