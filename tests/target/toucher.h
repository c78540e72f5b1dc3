// Threads that read and write the pages all the time, as a program would.

#ifndef TESTS_TARGET_TOUCHER_H_
#define TESTS_TARGET_TOUCHER_H_

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "check.h"
#include "options.h"

namespace pageferry::target {

// Every thread has its share of the pages of every region, visits them in
// turn, verifies what it stored on its last visit and stores anew. A gap is
// the time from one visit to the next: what a migration costs the program.
class Touchers {
 public:
  // Starts options.threads threads. `regions` must outlive this.
  Touchers(Regions& regions, const Options& options);
  ~Touchers();
  Touchers(const Touchers&) = delete;
  Touchers& operator=(const Touchers&) = delete;

  struct Report {
    std::uint64_t loops = 0;           // rounds over the pages, all threads
    std::uint64_t longest_gap_us = 0;  // since ResetGap, running ones included
    std::uint64_t errors = 0;          // pages found not to hold
  };
  Report GetReport() const;
  void ResetGap();

  // Between the two, no thread touches any page. Rest waits until it is so.
  void Rest();
  void Resume();

 private:
  struct Worker {
    std::atomic<std::uint64_t> loops{0};
    std::atomic<std::uint64_t> longest_gap_ns{0};
    std::atomic<std::uint64_t> last_visit_ns{0};  // 0: resting
    std::atomic<std::uint64_t> errors{0};
    std::thread thread;
  };

  void Run(std::size_t number);
  // False: the threads shall rest or end.
  bool VisitRegion(Region& region, std::size_t number, Worker& worker);
  static void Visit(Region& region, std::size_t index, Worker& worker);
  static void CountGap(Worker& worker);
  // False: the thread shall end.
  bool WaitWhileResting(Worker& worker);

  Regions& regions_;
  const Options& options_;
  std::vector<std::unique_ptr<Worker>> workers_;
  std::atomic<bool> halt_{false};  // the cheap sign: look at the rest below
  std::mutex mutex_;
  std::condition_variable changed_;
  bool resting_ = false;  // guarded by mutex_, as are the next two
  bool ending_ = false;
  std::size_t at_rest_ = 0;  // threads that rest
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_TOUCHER_H_
