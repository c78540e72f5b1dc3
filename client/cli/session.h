// What every command works with.

#ifndef PAGEFERRY_CLIENT_CLI_SESSION_H_
#define PAGEFERRY_CLIENT_CLI_SESSION_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "client/cli/console.h"
#include "client/cli/interrupter.h"
#include "grpcpp/channel.h"
#include "pageferry/client.h"

namespace pageferry::client::cli {

// Used by one command on one thread.
struct Session {
  Console& console;
  Interrupter& interrupter;
  std::string endpoint;
  std::shared_ptr<grpc::Channel> channel;
  Client client;
  CallOptions call;   // for every call of the command
  bool json = false;  // write for programs

  // Says why the call failed; returns kExitFailed.
  int Fail(const absl::Status& status);
  // Says what is wrong with the command line; returns kExitUsage.
  int FailUsage(absl::string_view message);
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_SESSION_H_
