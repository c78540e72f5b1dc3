// Threads of modelled processes that use memory while it moves.

#ifndef PAGEFERRY_SERVER_MODEL_WORKER_THREADS_H_
#define PAGEFERRY_SERVER_MODEL_WORKER_THREADS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/model/address_space.h"

namespace pageferry::model {

// Each thread owns one word of every page of its range. It stores there a
// number that grows, remembers it, and loads it again later, all of them once
// more before it ends: a store that was lost, or one that went to a page which
// was no longer the process's, shows as another number. Thread-safe.
class WorkerThreads {
 public:
  struct Work {
    AddressSpace* space = nullptr;  // must outlive this
    core::PageRun range;
    bool read_only = false;
    // After every 64 accesses; zero for none.
    absl::Duration pause;
  };

  WorkerThreads() = default;
  // Stops and joins all threads.
  ~WorkerThreads();

  // Starts a thread. At most 512 share a page.
  void Start(const Work& work);

  // Lets every thread end the access that it is at, and keeps it from the next
  // until LetGo(). Waits for that; false when for as long as `patience` no
  // thread has got there and some are missing, since what they wait for does
  // not come. Only one caller at a time.
  bool Hold(absl::Duration patience);
  void LetGo();

  // Asks all threads to load once more what they have stored and to end, and
  // waits until they have. What is held of their pages must not keep a load
  // for ever. Does nothing the second time.
  void Stop();

  // Stores made so far, and loads that did not find the last store. Those of
  // the last look are in from Stop() on.
  uint64_t stores() const { return stores_.load(); }
  uint64_t lost_stores() const { return lost_stores_.load(); }

  // Threads that ended at an access which could not be made, without a last
  // look at what they had stored: their process has exited or dropped the
  // memory, must not use it so, or found none for a new page.
  uint64_t ended_early() const { return ended_early_.load(); }

 private:
  void Run(const Work& work, uint64_t word);
  // False when an access could not be made. `last_stored`: by page, what the
  // thread's word must hold; 0 as long as it has not stored.
  bool MakeAccesses(const Work& work, uint64_t word,
                    std::vector<uint64_t>& last_stored);
  bool LoadAllAgain(const Work& work, uint64_t word,
                    const std::vector<uint64_t>& last_stored);
  bool Pause(absl::Duration length);
  void PassGate();

  std::atomic<bool> stopping_{false};
  std::atomic<uint64_t> stores_{0};
  std::atomic<uint64_t> lost_stores_{0};
  std::atomic<uint64_t> ended_early_{0};
  core::Mutex mutex_;
  core::CondVar stop_requested_;
  std::vector<std::thread> threads_;
  // Set between Hold() and LetGo(): threads stop at the gate.
  std::atomic<bool> held_{false};
  core::CondVar gate_changed_;
  // Threads between Start() and their end, and those of them at the gate.
  size_t running_ ABSL_GUARDED_BY(mutex_) = 0;
  size_t at_gate_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_WORKER_THREADS_H_
