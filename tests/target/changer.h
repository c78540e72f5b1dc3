// A thread that changes the changing regions at random, as programs do to
// their memory while somebody else moves it.

#ifndef TESTS_TARGET_CHANGER_H_
#define TESTS_TARGET_CHANGER_H_

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "changing_region.h"
#include "check.h"

namespace pageferry::target {

// Rests at first. Between two changes it pauses for a millisecond at most.
class Changer {
 public:
  // For the regions that are of a changing kind; `regions` must outlive this.
  // All other regions are kept from its children: a fork would share them.
  Changer(Regions& regions, std::uint64_t seed);
  ~Changer();
  Changer(const Changer&) = delete;
  Changer& operator=(const Changer&) = delete;

  // Between the two, nothing changes; children that share pages and pages that
  // are elsewhere stay as they are. Rest waits until it is so.
  void Shake();
  void Rest();

  // Ends the children, makes all regions plain memory and looks at every page.
  // Call it while it rests. False when something was lost, by a child or here.
  bool Check();

  // So far.
  std::uint64_t changes() const { return changes_; }

 private:
  struct Child {
    pid_t pid = 0;
    int order = -1;  // closed: check what you share, and end
  };

  void Run();
  void Change();
  void ChangeMapping(ChangingRegion& region, Piece piece);
  void ChangePlace(ChangingRegion& region, Piece piece);
  Piece SomePiece(const ChangingRegion& region);
  void ChooseNode();
  void Fork();
  [[noreturn]] void LiveAsChild(int order);
  void EndChild(bool by_signal);
  std::uint64_t Below(std::uint64_t limit) { return random_() % limit; }

  std::vector<std::unique_ptr<ChangingRegion>> regions_;
  std::mt19937_64 random_;
  std::vector<Child> children_;
  std::atomic<std::uint64_t> changes_{0};
  bool children_held_ = true;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool shaking_ = false;  // guarded by mutex_, as are the next two
  bool at_rest_ = true;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_CHANGER_H_
