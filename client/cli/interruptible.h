// What an interrupt does to the calls of one command.

#ifndef PAGEFERRY_CLIENT_CLI_INTERRUPTIBLE_H_
#define PAGEFERRY_CLIENT_CLI_INTERRUPTIBLE_H_

#include <functional>
#include <memory>
#include <string>

#include "client/cli/interrupter.h"
#include "grpcpp/channel.h"
#include "pageferry/callback_client.h"

namespace pageferry::client::cli {

// The first interrupt asks the daemon to cancel the migration, so that the
// summary still arrives; the second gives the call up. A call that is no
// migration, or whose migration has not started, is given up at once.
// Thread-safe.
class Interruptible {
 public:
  // While it lives, interrupts come here.
  Interruptible(Interrupter* interrupter,
                const std::shared_ptr<grpc::Channel>& channel);

  // A call begins, and `give_up` ends it: it must not block and stays valid
  // until End(). Runs at once when an interrupt came before.
  void Begin(std::function<void()> give_up);
  // The call is the migration `migration_id`.
  void Started(const std::string& migration_id);
  void End();

  // Whether there was an interrupt: then no further call should begin.
  bool interrupted() const;

 private:
  // Shared with the answer to CancelMigration, which may come after us.
  struct State;

  void OnInterrupt(int count);

  const std::shared_ptr<State> state_;
  CallbackClient client_;
  Interrupter::Scope scope_;
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_INTERRUPTIBLE_H_
