#include "server/model/memory.h"

#include <atomic>
#include <utility>

namespace pageferry::model {
namespace {

// Frames of a node are numbered from (node + 1) << kNodeShift, so that a
// frame's number tells its node and no frame has number 0.
constexpr int kNodeShift = 24;

uint64_t FirstFrame(core::NodeId node) {
  return (static_cast<uint64_t>(node.value()) + 1) << kNodeShift;
}

}  // namespace

absl::Status Memory::AddNode(core::NodeId node, uint64_t capacity_pages) {
  absl::StatusOr<std::unique_ptr<FrameArena>> arena = FrameArena::Create(
      node, core::PageFrameNumber(FirstFrame(node)), capacity_pages);
  if (!arena.ok()) return arena.status();
  arenas_[node] = *std::move(arena);
  return absl::OkStatus();
}

FrameArena* Memory::arena(core::NodeId node) const {
  const auto found = arenas_.find(node);
  return found == arenas_.end() ? nullptr : found->second.get();
}

Page* Memory::Allocate(core::NodeId node, uint32_t pages) {
  FrameArena* const nodes_arena = arena(node);
  if (nodes_arena == nullptr) return nullptr;
  Page* const page = nodes_arena->Allocate(pages);
  if (page == nullptr) return nullptr;
  page->allocations.fetch_add(1, std::memory_order_relaxed);
  page->reference_count.store(1, std::memory_order_release);
  for (uint32_t i = 1; i < pages; ++i) {
    (page + i)->head.store(page, std::memory_order_release);
  }
  return page;
}

Page& Memory::PageOf(core::PageFrameNumber pfn) const {
  const core::NodeId node(static_cast<int32_t>(pfn.value() >> kNodeShift) - 1);
  return arenas_.at(node)->page(pfn.value() - FirstFrame(node));
}

void Memory::Put(Page& page, int32_t count) {
  if (page.reference_count.fetch_sub(count, std::memory_order_acq_rel) !=
      count) {
    return;
  }
  const uint32_t pages = page.folio_pages();
  page.mapping.reset();
  page.buffers.reset();
  page.index = 0;
  page.swap_slot = 0;
  page.flags.store(0, std::memory_order_release);
  for (uint32_t i = 1; i < pages; ++i) {
    Page* const tail = &page + i;
    tail->head.store(tail, std::memory_order_release);
  }
  arena(page.node)->Free(&page, pages);
}

void Memory::ForEachUsedFrame(absl::FunctionRef<void(Page&)> visit) const {
  for (const auto& [node, arena] : arenas_) {
    for (uint64_t offset = 0; offset < arena->capacity_pages(); ++offset) {
      if (!arena->IsFree(offset)) visit(arena->page(offset));
    }
  }
}

uint64_t LoadWord(const uint8_t* frame, uint64_t offset_bytes) {
  uint64_t* const word =
      reinterpret_cast<uint64_t*>(const_cast<uint8_t*>(frame) + offset_bytes);
  return std::atomic_ref<uint64_t>(*word).load(std::memory_order_relaxed);
}

void StoreWord(uint8_t* frame, uint64_t offset_bytes, uint64_t value) {
  uint64_t* const word = reinterpret_cast<uint64_t*>(frame + offset_bytes);
  std::atomic_ref<uint64_t>(*word).store(value, std::memory_order_relaxed);
}

void CopyWords(uint8_t* to, const uint8_t* from, uint64_t bytes) {
  for (uint64_t offset = 0; offset < bytes; offset += sizeof(uint64_t)) {
    StoreWord(to, offset, LoadWord(from, offset));
  }
}

}  // namespace pageferry::model
