#include "server/model/mapping.h"

#include <algorithm>

namespace pageferry::model {

void Mapping::Walk(const Page& page, RmapVisitor visit) {
  core::MutexLock lock(&i_mmap_lock_);
  for (Vma* const vma : vmas_) {
    if (page.index < vma->page_offset) continue;
    const uint64_t page_number = vma->PageNumberOf(page.index);
    if (vma->Contains(page_number) && !visit(*vma, page_number)) return;
  }
}

void Mapping::Link(Vma* vma) {
  core::MutexLock lock(&i_mmap_lock_);
  vmas_.push_back(vma);
}

void Mapping::Unlink(Vma* vma) {
  core::MutexLock lock(&i_mmap_lock_);
  vmas_.erase(std::remove(vmas_.begin(), vmas_.end(), vma), vmas_.end());
}

Page* Mapping::GetPage(uint64_t index) {
  core::MutexLock lock(&tree_lock_);
  const auto found = slots_.find(index);
  if (found == slots_.end()) return nullptr;
  // The cache's own reference keeps the page while the lock is held, and the
  // page is not frozen: that is only done under this lock.
  found->second->Get();
  return found->second;
}

bool Mapping::Holds(uint64_t index, const Page& page) {
  core::MutexLock lock(&tree_lock_);
  const auto found = slots_.find(index);
  return found != slots_.end() && found->second == &page;
}

bool Mapping::Insert(uint64_t index, Page& page) {
  core::MutexLock lock(&tree_lock_);
  if (!slots_.try_emplace(index, &page).second) return false;
  page.Get();
  return true;
}

bool Mapping::Remove(uint64_t index, const Page& page) {
  core::MutexLock lock(&tree_lock_);
  const auto found = slots_.find(index);
  if (found == slots_.end() || found->second != &page) return false;
  slots_.erase(found);
  return true;
}

Mapping::Replacement Mapping::Replace(uint64_t index, Page& old_page,
                                      Page& new_page, int32_t expected) {
  core::MutexLock lock(&tree_lock_);
  const auto found = slots_.find(index);
  if (found == slots_.end() || found->second != &old_page) {
    return Replacement::kSlotChanged;
  }
  if (!old_page.FreezeReferences(expected)) return Replacement::kReferenced;
  new_page.Get();
  found->second = &new_page;
  old_page.UnfreezeReferences(expected - 1);
  return Replacement::kDone;
}

}  // namespace pageferry::model
