// A balloon: memory of this machine that its driver has given to the host.

#ifndef PAGEFERRY_SERVER_MODEL_BALLOON_H_
#define PAGEFERRY_SERVER_MODEL_BALLOON_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/core/mutex.h"
#include "server/model/page.h"
#include "server/model/reverse_map.h"

namespace pageferry::model {

// The pages of one balloon, each with a reference of the balloon. No process
// maps them. Thread-safe.
class Balloon : public ReverseMap {
 public:
  // `migrates`: whether the host agrees when a page is to be exchanged.
  explicit Balloon(bool migrates) : migrates_(migrates) {}

  // Nothing maps a balloon's page.
  void Walk(const Page&, RmapVisitor) override {}

  // Takes over the caller's reference of a page.
  void Inflate(uint64_t index, Page& page);

  // The page at an index, or null. Valid while the balloon keeps it.
  Page* PageAt(uint64_t index) const;

  // What the driver does when the core asks it to move `old_page`:
  // kLockBusy while its lock is held by somebody else, kRefused where the host
  // does not agree, else `new_page` is in the balloon, with a reference, and
  // `old_page` no more; its reference is the caller's to put.
  enum class Exchange { kDone, kLockBusy, kRefused };
  Exchange Migrate(Page& old_page, Page& new_page);

  // The driver's own work, as which it holds its lock.
  void HoldLock(bool held);

 private:
  const bool migrates_;
  mutable core::Mutex mutex_;
  bool lock_held_ ABSL_GUARDED_BY(mutex_) = false;
  absl::flat_hash_map<uint64_t, Page*> pages_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_BALLOON_H_
