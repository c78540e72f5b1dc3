// Waiting for a page's lock, its writeback, a buffer or a migration entry.

#ifndef PAGEFERRY_SERVER_MODEL_WAIT_TABLE_H_
#define PAGEFERRY_SERVER_MODEL_WAIT_TABLE_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "server/core/control.h"
#include "server/core/mutex.h"
#include "server/model/page.h"

namespace pageferry::model {

// Things of the outside world that go on while somebody waits: storage that
// finishes a write, a holder that lets go of a lock.
class Bystanders {
 public:
  virtual ~Bystanders() = default;

  // Called before each slice of a wait, without locks of the wait table.
  // Thread-safe.
  virtual void OnWait() = 0;
};

// Wait queues, hashed by the address of what is waited for, as the kernel's
// are for pages. Thread-safe.
class WaitTable {
 public:
  // How long a wait goes on before it looks at the clock and at whether it is
  // to stop.
  static constexpr absl::Duration kSlice = absl::Milliseconds(1);

  // Wakes those who wait for `key`, after what they wait for has happened.
  void Wake(const void* key);

  // Waits until `done()`, which must not block. Cannot be cut short: for
  // threads of modelled processes.
  void Wait(const void* key, absl::FunctionRef<bool()> done);

  // The same for a migration: false when `control` said stop first. Waits by
  // the control's clock.
  bool Wait(const void* key, absl::FunctionRef<bool()> done,
            const core::MigrationControl& control, Bystanders& bystanders);

  // The page lock. Unlock wakes those who wait for it.
  static bool TryLockPage(Page& page) {
    return !page.TestAndSet(PageFlag::kLocked);
  }
  void UnlockPage(Page& page);
  // Blocks until the page is ours.
  void LockPage(Page& page);

 private:
  struct Bucket {
    core::Mutex mutex;
    core::CondVar changed;
  };
  Bucket& BucketOf(const void* key) {
    return buckets_[(reinterpret_cast<uintptr_t>(key) >> 3) *
                        0x9E3779B97F4A7C15 >>
                    58];
  }

  std::array<Bucket, 64> buckets_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_WAIT_TABLE_H_
