// All page frames of the modelled machine.

#ifndef PAGEFERRY_SERVER_MODEL_MEMORY_H_
#define PAGEFERRY_SERVER_MODEL_MEMORY_H_

#include <cstdint>
#include <map>
#include <memory>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "server/core/types.h"
#include "server/model/frame_arena.h"
#include "server/model/page.h"

namespace pageferry::model {

// Frames by node, and the life of a page: it is allocated with one reference
// and its frame is free again when the last is put. Thread-safe once all nodes
// are added.
class Memory {
 public:
  // Adds a node with that many frames. Not thread-safe.
  absl::Status AddNode(core::NodeId node, uint64_t capacity_pages);

  // The arena of a node, or null.
  FrameArena* arena(core::NodeId node) const;

  // A page of 1 or core::kHugePagePages frames on exactly that node
  // (__GFP_THISNODE), with one reference; null when the node is full.
  Page* Allocate(core::NodeId node, uint32_t pages);

  // The structure of a frame that some arena has.
  Page& PageOf(core::PageFrameNumber pfn) const;

  // Puts `count` references of a page (its head, where huge). With the last
  // the page is torn down and its frame is free. Nothing may map it then.
  void Put(Page& page, int32_t count = 1);

  // Visits all frames that are not free, node by node.
  void ForEachUsedFrame(absl::FunctionRef<void(Page&)> visit) const;

 private:
  std::map<core::NodeId, std::unique_ptr<FrameArena>> arenas_;
};

// The words of a page's memory, as hardware gives them to threads that share
// a page: each load and store is whole, none orders anything else.
uint64_t LoadWord(const uint8_t* frame, uint64_t offset_bytes);
void StoreWord(uint8_t* frame, uint64_t offset_bytes, uint64_t value);

// Copies memory that others may be storing to meanwhile.
void CopyWords(uint8_t* to, const uint8_t* from, uint64_t bytes);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MEMORY_H_
