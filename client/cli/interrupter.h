// Ctrl-C, as the commands see it.

#ifndef PAGEFERRY_CLIENT_CLI_INTERRUPTER_H_
#define PAGEFERRY_CLIENT_CLI_INTERRUPTER_H_

#include <functional>
#include <mutex>

namespace pageferry::client::cli {

// Hands interrupts to the command that can act on them. Thread-safe.
class Interrupter {
 public:
  // Gets the number of interrupts so far, from 1. Must not block, nor make or
  // destroy a Scope.
  using Action = std::function<void(int count)>;

  // While it lives, its action runs at each interrupt, on the interrupter's
  // thread; the action is not running any more once it is destroyed. At most
  // one at a time.
  class Scope {
   public:
    Scope(Interrupter* interrupter, Action action);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Interrupter* const interrupter_;
  };

  // Returns false when no command takes it: then the program should end.
  bool Interrupt();

 private:
  std::mutex mutex_;
  Action action_;
  int count_ = 0;
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_INTERRUPTER_H_
