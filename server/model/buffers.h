// The buffer heads of a page of a block-device file system.

#ifndef PAGEFERRY_SERVER_MODEL_BUFFERS_H_
#define PAGEFERRY_SERVER_MODEL_BUFFERS_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "server/model/wait_table.h"

namespace pageferry::model {

// Four blocks of 1 KiB, each with a lock of its own that the block layer holds
// while it reads or writes the block. Thread-safe but for set_page().
class Buffers {
 public:
  static constexpr size_t kCount = 4;

  explicit Buffers(Page* page) : page_(page) {}

  bool TryLock(size_t buffer) {
    return !locked_[buffer].exchange(true, std::memory_order_acquire);
  }
  void Unlock(size_t buffer, WaitTable& waits) {
    locked_[buffer].store(false, std::memory_order_release);
    waits.Wake(&locked_[buffer]);
  }
  bool locked(size_t buffer) const {
    return locked_[buffer].load(std::memory_order_acquire);
  }
  bool AnyLocked() const {
    for (size_t buffer = 0; buffer < kCount; ++buffer) {
      if (locked(buffer)) return true;
    }
    return false;
  }
  // What those wait for who wait for a buffer's lock.
  const void* key(size_t buffer) const { return &locked_[buffer]; }

  // The page whose memory the buffers describe (set_bh_page). Changed with all
  // buffers locked.
  Page* page() const { return page_; }
  void set_page(Page* page) { page_ = page; }

 private:
  std::array<std::atomic<bool>, kCount> locked_{};
  Page* page_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_BUFFERS_H_
