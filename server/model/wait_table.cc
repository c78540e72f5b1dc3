#include "server/model/wait_table.h"

namespace pageferry::model {

void WaitTable::Wake(const void* key) {
  Bucket& bucket = BucketOf(key);
  // Taken and given back so that nobody is between looking and waiting.
  core::MutexLock lock(&bucket.mutex);
  bucket.changed.NotifyAll();
}

void WaitTable::Wait(const void* key, absl::FunctionRef<bool()> done) {
  Bucket& bucket = BucketOf(key);
  core::MutexLock lock(&bucket.mutex);
  while (!done()) bucket.changed.Wait(&bucket.mutex);
}

bool WaitTable::Wait(const void* key, absl::FunctionRef<bool()> done,
                     const core::MigrationControl& control,
                     Bystanders& bystanders) {
  Bucket& bucket = BucketOf(key);
  while (true) {
    if (done()) return true;
    if (control.stop() != core::StopReason::kNone) return false;
    {
      core::MutexLock lock(&bucket.mutex);
      if (done()) return true;
      control.clock().WaitFor(&bucket.mutex, &bucket.changed, kSlice);
    }
    bystanders.OnWait();
  }
}

void WaitTable::UnlockPage(Page& page) {
  page.Clear(PageFlag::kLocked);
  Wake(&page);
}

void WaitTable::LockPage(Page& page) {
  while (!TryLockPage(page)) {
    Wait(&page, [&] { return !page.Has(PageFlag::kLocked); });
  }
}

}  // namespace pageferry::model
