#include <signal.h>
#include <unistd.h>

#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/string_view.h"
#include "client/cli/console.h"
#include "client/cli/interrupter.h"
#include "client/cli/run.h"

namespace {

using pageferry::client::cli::Console;
using pageferry::client::cli::Interrupter;

void Say(absl::string_view text) {
  // Past iostream, which the main thread may be using.
  if (write(STDERR_FILENO, text.data(), text.size()) < 0) return;
}

// Ends the program as Ctrl-C would have, had it not been taken.
void EndByInterrupt(const sigset_t& interrupt) {
  signal(SIGINT, SIG_DFL);
  pthread_sigmask(SIG_UNBLOCK, &interrupt, nullptr);
  raise(SIGINT);
}

// Runs until the program ends. `interrupt` is blocked in every thread.
void TakeInterrupts(sigset_t interrupt, Interrupter* interrupter) {
  for (bool first = true;; first = false) {
    int taken = 0;
    if (sigwait(&interrupt, &taken) != 0) continue;
    if (!interrupter->Interrupt()) EndByInterrupt(interrupt);
    Say(first ? "\npageferry: stopping; Ctrl-C again does not wait\n" : "\n");
  }
}

}  // namespace

int main(int argc, char** argv) {
  // Before gRPC starts threads of its own, which inherit the mask.
  sigset_t interrupt;
  sigemptyset(&interrupt);
  sigaddset(&interrupt, SIGINT);
  pthread_sigmask(SIG_BLOCK, &interrupt, nullptr);
  // Outlives main: its thread may look at it until the very end.
  static Interrupter& interrupter = *new Interrupter();
  std::thread(TakeInterrupts, interrupt, &interrupter).detach();

  std::ios::sync_with_stdio(false);
  Console console{std::cin, std::cout, std::cerr, isatty(STDERR_FILENO) == 1};
  return pageferry::client::cli::Run(
      std::vector<std::string>(argv + 1, argv + argc), console, interrupter);
}
