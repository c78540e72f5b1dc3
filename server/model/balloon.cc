#include "server/model/balloon.h"

namespace pageferry::model {

void Balloon::Inflate(uint64_t index, Page& page) {
  core::MutexLock lock(&mutex_);
  page.Set(PageFlag::kBalloon);
  page.index = index;
  pages_[index] = &page;
}

Page* Balloon::PageAt(uint64_t index) const {
  core::MutexLock lock(&mutex_);
  const auto found = pages_.find(index);
  return found == pages_.end() ? nullptr : found->second;
}

Balloon::Exchange Balloon::Migrate(Page& old_page, Page& new_page) {
  core::MutexLock lock(&mutex_);
  if (lock_held_) return Exchange::kLockBusy;
  if (!migrates_) return Exchange::kRefused;
  new_page.mapping = old_page.mapping;
  new_page.index = old_page.index;
  new_page.Set(PageFlag::kBalloon);
  new_page.Get();
  pages_[old_page.index] = &new_page;
  old_page.Clear(PageFlag::kBalloon);
  old_page.mapping.reset();
  return Exchange::kDone;
}

void Balloon::HoldLock(bool held) {
  core::MutexLock lock(&mutex_);
  lock_held_ = held;
}

}  // namespace pageferry::model
