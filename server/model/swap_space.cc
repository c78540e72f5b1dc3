#include "server/model/swap_space.h"

#include <utility>

#include "server/model/memory.h"

namespace pageferry::model {

SwapSpace::SwapSpace() : cache_(MappingOperations()) {}

void SwapSpace::AddToCache(Page& page) {
  {
    core::MutexLock lock(&mutex_);
    page.swap_slot = next_slot_++;
  }
  cache_.Insert(page.swap_slot, page);
  page.Set(PageFlag::kSwapCache);
}

uint64_t SwapSpace::WriteOut(const uint8_t* frame) {
  // Value-initialized as words, since words are what CopyWords moves.
  auto content = std::make_unique<uint8_t[]>(core::kPageBytes);
  CopyWords(content.get(), frame, core::kPageBytes);
  core::MutexLock lock(&mutex_);
  contents_[next_slot_] = std::move(content);
  return next_slot_++;
}

void SwapSpace::ReadIn(uint64_t slot, uint8_t* frame) {
  std::unique_ptr<uint8_t[]> content;
  {
    core::MutexLock lock(&mutex_);
    const auto found = contents_.find(slot);
    content = std::move(found->second);
    contents_.erase(found);
  }
  CopyWords(frame, content.get(), core::kPageBytes);
}

void SwapSpace::Free(uint64_t slot) {
  core::MutexLock lock(&mutex_);
  contents_.erase(slot);
}

}  // namespace pageferry::model
