#include "client/cli/session.h"

#include "client/cli/exit_code.h"
#include "client/cli/output.h"

namespace pageferry::client::cli {

int Session::Fail(const absl::Status& status) {
  PrintFailure(status, endpoint, json, console.err);
  return kExitFailed;
}

int Session::FailUsage(absl::string_view message) {
  console.err << "pageferry: " << message << "\n";
  return kExitUsage;
}

}  // namespace pageferry::client::cli
