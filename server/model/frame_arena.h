// The page frames of one node.

#ifndef PAGEFERRY_SERVER_MODEL_FRAME_ARENA_H_
#define PAGEFERRY_SERVER_MODEL_FRAME_ARENA_H_

#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/model/page.h"

namespace pageferry::model {

// Real memory, taken from the machine by mmap(2) and handed out as frames of
// 4,096 bytes and as aligned blocks of 512 of them. Memory that was never
// handed out costs nothing. Which frame comes next depends on the calls before
// alone, so that runs repeat. Thread-safe.
class FrameArena {
 public:
  // `first_frame` is the number of the node's first frame. Fails with
  // kResourceExhausted when the machine has no such address space.
  static absl::StatusOr<std::unique_ptr<FrameArena>> Create(
      core::NodeId node, core::PageFrameNumber first_frame,
      uint64_t capacity_pages);
  ~FrameArena();
  FrameArena(const FrameArena&) = delete;
  FrameArena& operator=(const FrameArena&) = delete;

  // A free frame, or the head of a free aligned block where `pages` is
  // core::kHugePagePages; null when there is none. Without flags, with no
  // references; its memory is as its last owner left it.
  Page* Allocate(uint32_t pages);

  // Takes frames back.
  void Free(Page* page, uint32_t pages);

  core::NodeId node() const { return node_; }
  uint64_t capacity_pages() const { return capacity_pages_; }
  uint64_t free_pages() const;

  // The page structure of the frame `offset` frames after the first.
  Page& page(uint64_t offset) { return pages_[offset]; }
  const Page& page(uint64_t offset) const { return pages_[offset]; }

  // Whether that frame is free.
  bool IsFree(uint64_t offset) const;

 private:
  // The free frames of one aligned block, a bit each.
  struct Block {
    std::array<uint64_t, core::kHugePagePages / 64> free = {};
    uint32_t free_count = 0;
  };

  FrameArena(core::NodeId node, core::PageFrameNumber first_frame,
             uint64_t capacity_pages, uint8_t* memory);
  uint64_t AllocateOne() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  uint64_t AllocateBlock() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FreeOne(uint64_t offset) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const core::NodeId node_;
  const uint64_t capacity_pages_;
  uint8_t* const memory_;
  std::vector<Page> pages_;
  mutable core::Mutex mutex_;
  std::vector<Block> blocks_ ABSL_GUARDED_BY(mutex_);
  // Blocks with some free frames, and those with 512, lowest first. Single
  // frames come from broken blocks as long as there are any.
  std::set<uint64_t> broken_blocks_ ABSL_GUARDED_BY(mutex_);
  std::set<uint64_t> whole_blocks_ ABSL_GUARDED_BY(mutex_);
  uint64_t free_pages_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_FRAME_ARENA_H_
