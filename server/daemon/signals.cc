#include "server/daemon/signals.h"

#include <pthread.h>
#include <signal.h>

#include <utility>

namespace pageferry::daemon {
namespace {

// Sent to the thread alone, to end it.
constexpr int kEndThread = SIGUSR1;

sigset_t TakenSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, kEndThread);
  return signals;
}

}  // namespace

void BlockSignals() {
  const sigset_t signals = TakenSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  struct sigaction ignore = {};
  ignore.sa_handler = SIG_IGN;
  sigaction(SIGPIPE, &ignore, nullptr);
}

SignalThread::SignalThread(std::function<void(int)> on_signal)
    : thread_([on_signal = std::move(on_signal)] {
        const sigset_t signals = TakenSignals();
        while (true) {
          int signal = 0;
          if (sigwait(&signals, &signal) != 0) continue;
          if (signal == kEndThread) return;
          on_signal(signal);
        }
      }) {}

SignalThread::~SignalThread() {
  pthread_kill(thread_.native_handle(), kEndThread);
  thread_.join();
}

}  // namespace pageferry::daemon
