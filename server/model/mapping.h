// The page cache of one file (Linux's address_space), and what its file system
// can do when one of its pages is to move.

#ifndef PAGEFERRY_SERVER_MODEL_MAPPING_H_
#define PAGEFERRY_SERVER_MODEL_MAPPING_H_

#include <cstdint>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/core/mutex.h"
#include "server/model/page.h"
#include "server/model/reverse_map.h"
#include "server/model/vma.h"

namespace pageferry::model {

// address_space_operations::migratepage.
enum class MigrateOperation : uint8_t {
  kPlain,   // migrate_page: shared memory, swap, most that keep no private data
  kBuffer,  // buffer_migrate_page: file systems on block devices
  kNetwork,  // a network file system's: not while a request is in flight
  kNone,     // none: fallback_migrate_page
};

// address_space_operations::writepage.
enum class WritepageOperation : uint8_t {
  kNone,    // none: the file cannot be written
  kWrites,  // writes, and ends the writeback after the file's write latency
  kFails,   // the storage answers with an error
};

struct MappingOperations {
  MigrateOperation migrate = MigrateOperation::kPlain;
  WritepageOperation writepage = WritepageOperation::kWrites;
  // Whether releasepage gives up a page's private data.
  bool releases_private = true;
  absl::Duration write_latency;
};

// Pages by index, each with one reference of the cache, and the VMAs that map
// the file. Thread-safe. Does not own its pages.
class Mapping : public ReverseMap {
 public:
  explicit Mapping(const MappingOperations& operations)
      : operations_(operations) {}

  const MappingOperations& operations() const { return operations_; }

  // Visits the VMAs that map the page's index (i_mmap).
  void Walk(const Page& page, RmapVisitor visit) override;
  void Link(Vma* vma);
  void Unlink(Vma* vma);

  // The page at `index` with a reference taken, or null.
  Page* GetPage(uint64_t index);

  // Whether the slot at `index` holds `page`.
  bool Holds(uint64_t index, const Page& page);

  // Puts a page that is locked and not in any mapping into a slot, with a
  // reference for the cache. False, and nothing done, when the slot is taken.
  bool Insert(uint64_t index, Page& page);

  // Takes `page` out of its slot, when it is there; the cache's reference is
  // the caller's to put.
  bool Remove(uint64_t index, const Page& page);

  // The heart of migrate_page_move_mapping: if the slot holds `old_page` and
  // that has exactly `expected` references, puts `new_page` there in its place,
  // with a reference for the cache, and leaves `old_page` with one less.
  enum class Replacement { kDone, kSlotChanged, kReferenced };
  Replacement Replace(uint64_t index, Page& old_page, Page& new_page,
                      int32_t expected);

 private:
  const MappingOperations operations_;
  core::Mutex tree_lock_;
  absl::flat_hash_map<uint64_t, Page*> slots_ ABSL_GUARDED_BY(tree_lock_);
  core::Mutex i_mmap_lock_;
  std::vector<Vma*> vmas_ ABSL_GUARDED_BY(i_mmap_lock_);
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MAPPING_H_
