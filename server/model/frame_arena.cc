#include "server/model/frame_arena.h"

#include <sys/mman.h>

#include <bit>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace pageferry::model {
namespace {

using core::kHugePagePages;
using core::kPageBytes;

constexpr uint64_t kNoFrame = UINT64_MAX;

}  // namespace

absl::StatusOr<std::unique_ptr<FrameArena>> FrameArena::Create(
    core::NodeId node, core::PageFrameNumber first_frame,
    uint64_t capacity_pages) {
  void* memory =
      mmap(nullptr, capacity_pages * kPageBytes, PROT_READ | PROT_WRITE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (memory == MAP_FAILED) {
    return absl::ResourceExhaustedError(
        absl::StrCat("no address space for the ", capacity_pages,
                     " pages of model node ", node.value()));
  }
  return std::unique_ptr<FrameArena>(new FrameArena(
      node, first_frame, capacity_pages, static_cast<uint8_t*>(memory)));
}

FrameArena::FrameArena(core::NodeId node, core::PageFrameNumber first_frame,
                       uint64_t capacity_pages, uint8_t* memory)
    : node_(node),
      capacity_pages_(capacity_pages),
      memory_(memory),
      pages_(capacity_pages),
      blocks_((capacity_pages + kHugePagePages - 1) / kHugePagePages) {
  core::MutexLock lock(&mutex_);
  for (uint64_t offset = 0; offset < capacity_pages; ++offset) {
    Page& page = pages_[offset];
    page.pfn = core::PageFrameNumber(first_frame.value() + offset);
    page.node = node;
    page.frame = memory_ + offset * kPageBytes;
    FreeOne(offset);
  }
}

FrameArena::~FrameArena() { munmap(memory_, capacity_pages_ * kPageBytes); }

Page* FrameArena::Allocate(uint32_t pages) {
  core::MutexLock lock(&mutex_);
  const uint64_t offset = pages == 1 ? AllocateOne() : AllocateBlock();
  return offset == kNoFrame ? nullptr : &pages_[offset];
}

uint64_t FrameArena::AllocateOne() {
  std::set<uint64_t>& source =
      broken_blocks_.empty() ? whole_blocks_ : broken_blocks_;
  if (source.empty()) return kNoFrame;
  const uint64_t number = *source.begin();
  Block& block = blocks_[number];
  size_t word = 0;
  while (block.free[word] == 0) ++word;
  const int bit = std::countr_zero(block.free[word]);
  block.free[word] &= block.free[word] - 1;
  --block.free_count;
  --free_pages_;
  whole_blocks_.erase(number);
  if (block.free_count == 0) {
    broken_blocks_.erase(number);
  } else {
    broken_blocks_.insert(number);
  }
  return number * kHugePagePages + word * 64 + bit;
}

uint64_t FrameArena::AllocateBlock() {
  if (whole_blocks_.empty()) return kNoFrame;
  const uint64_t number = *whole_blocks_.begin();
  whole_blocks_.erase(whole_blocks_.begin());
  blocks_[number] = Block();
  free_pages_ -= kHugePagePages;
  return number * kHugePagePages;
}

void FrameArena::Free(Page* page, uint32_t pages) {
  core::MutexLock lock(&mutex_);
  const uint64_t first = page - pages_.data();
  for (uint32_t i = 0; i < pages; ++i) FreeOne(first + i);
}

void FrameArena::FreeOne(uint64_t offset) {
  const uint64_t number = offset / kHugePagePages;
  const uint64_t bit = offset % kHugePagePages;
  Block& block = blocks_[number];
  block.free[bit / 64] |= uint64_t{1} << (bit % 64);
  ++block.free_count;
  ++free_pages_;
  if (block.free_count == kHugePagePages) {
    broken_blocks_.erase(number);
    whole_blocks_.insert(number);
  } else if (block.free_count == 1) {
    broken_blocks_.insert(number);
  }
}

uint64_t FrameArena::free_pages() const {
  core::MutexLock lock(&mutex_);
  return free_pages_;
}

bool FrameArena::IsFree(uint64_t offset) const {
  core::MutexLock lock(&mutex_);
  const uint64_t bit = offset % kHugePagePages;
  return (blocks_[offset / kHugePagePages].free[bit / 64] >> (bit % 64)) & 1;
}

}  // namespace pageferry::model
