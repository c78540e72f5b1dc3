// Threads for work that blocks, which must not run on gRPC's own few threads:
// those also poll the sockets.

#ifndef PAGEFERRY_SERVER_SERVICE_WORKER_POOL_H_
#define PAGEFERRY_SERVER_SERVICE_WORKER_POOL_H_

#include <deque>
#include <functional>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/core/mutex.h"

namespace pageferry::service {

// Thread-safe. Its queue has no bound of its own: each task stands for a call
// that is open, and those are bounded by the listeners.
class WorkerPool {
 public:
  explicit WorkerPool(int threads);

  // Runs what is queued, then joins the threads. Blocks for as long as a task
  // does.
  ~WorkerPool();

  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Has one of the threads run `task`, in order of arrival.
  void Post(std::function<void()> task);

 private:
  void Work();

  core::Mutex mutex_;
  core::CondVar changed_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::thread> threads_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_WORKER_POOL_H_
