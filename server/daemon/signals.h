// The signals that end the daemon: SIGTERM and SIGINT.

#ifndef PAGEFERRY_SERVER_DAEMON_SIGNALS_H_
#define PAGEFERRY_SERVER_DAEMON_SIGNALS_H_

#include <functional>
#include <thread>

namespace pageferry::daemon {

// Blocks them in this thread and in those that it starts from now on, so that
// only a SignalThread takes them; and has writes to a closed connection fail
// rather than end the process. To be called before any thread is started.
void BlockSignals();

// Takes the signals on a thread of its own, for as long as it lives.
class SignalThread {
 public:
  // `on_signal` runs on that thread, once for each signal.
  explicit SignalThread(std::function<void(int signal)> on_signal);
  ~SignalThread();

  SignalThread(const SignalThread&) = delete;
  SignalThread& operator=(const SignalThread&) = delete;

 private:
  std::thread thread_;
};

}  // namespace pageferry::daemon

#endif  // PAGEFERRY_SERVER_DAEMON_SIGNALS_H_
