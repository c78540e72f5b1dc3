// Swap: slots for pages that were or will be written out, and the cache of
// those that are in memory as well.

#ifndef PAGEFERRY_SERVER_MODEL_SWAP_SPACE_H_
#define PAGEFERRY_SERVER_MODEL_SWAP_SPACE_H_

#include <cstdint>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "server/core/mutex.h"
#include "server/model/mapping.h"
#include "server/model/page.h"

namespace pageferry::model {

// Thread-safe.
class SwapSpace {
 public:
  SwapSpace();

  // The swap cache: pages by slot. Pages in it belong to an anon_vma all the
  // same; only the core's page_mapping() leads here.
  Mapping& cache() { return cache_; }

  // Gives a page a slot and puts it into the cache.
  void AddToCache(Page& page);

  // Writes memory of one page to a slot, and returns it.
  uint64_t WriteOut(const uint8_t* frame);

  // Reads a slot that was written into `frame`, and frees it.
  void ReadIn(uint64_t slot, uint8_t* frame);

  // Frees a slot; its content is lost.
  void Free(uint64_t slot);

 private:
  Mapping cache_;
  core::Mutex mutex_;
  uint64_t next_slot_ ABSL_GUARDED_BY(mutex_) = 1;
  absl::flat_hash_map<uint64_t, std::unique_ptr<uint8_t[]>> contents_
      ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_SWAP_SPACE_H_
