// Storage that takes its time to write a page.

#ifndef PAGEFERRY_SERVER_MODEL_STORAGE_H_
#define PAGEFERRY_SERVER_MODEL_STORAGE_H_

#include <cstdint>
#include <map>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"
#include "server/model/page.h"
#include "server/model/wait_table.h"

namespace pageferry::model {

// Writes that are under way. They end when their time has come and somebody
// looks: a wait, a try, a query. Thread-safe.
class Storage {
 public:
  explicit Storage(WaitTable* waits) : waits_(*waits) {}

  // Begins to write a page: sets kWriteback until `done_at`, by
  // Clock::Monotonic().
  void StartWrite(Page& page, absl::Duration done_at);

  // Ends the writes whose time has come, and wakes those who wait for them.
  void Poll(absl::Duration now);

 private:
  WaitTable& waits_;
  core::Mutex mutex_;
  struct Write {
    Page* page;
    uint32_t allocation;  // of the page's frame
  };
  std::multimap<absl::Duration, Write> writes_ ABSL_GUARDED_BY(mutex_);
};

// Clears kWriteback and wakes those who wait for it (end_page_writeback).
void end_page_writeback(Page& page, WaitTable& waits);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_STORAGE_H_
