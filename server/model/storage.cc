#include "server/model/storage.h"

#include <vector>

namespace pageferry::model {

void Storage::StartWrite(Page& page, absl::Duration done_at) {
  page.Set(PageFlag::kWriteback);
  core::MutexLock lock(&mutex_);
  writes_.emplace(done_at, Write{&page, page.allocations.load()});
}

void Storage::Poll(absl::Duration now) {
  std::vector<Write> done;
  {
    core::MutexLock lock(&mutex_);
    const auto end = writes_.upper_bound(now);
    for (auto it = writes_.begin(); it != end; ++it) done.push_back(it->second);
    writes_.erase(writes_.begin(), end);
  }
  for (const Write& write : done) {
    // The page may be gone, and its frame somebody else's.
    if (write.page->allocations.load() == write.allocation) {
      end_page_writeback(*write.page, waits_);
    }
  }
}

void end_page_writeback(Page& page, WaitTable& waits) {
  page.Clear(PageFlag::kWriteback);
  waits.Wake(&page);
}

}  // namespace pageferry::model
