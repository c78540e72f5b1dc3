// From a page to the places where it is mapped.

#ifndef PAGEFERRY_SERVER_MODEL_REVERSE_MAP_H_
#define PAGEFERRY_SERVER_MODEL_REVERSE_MAP_H_

#include <cstdint>

#include "absl/functional/function_ref.h"
#include "server/model/vma.h"

namespace pageferry::model {

struct Page;

// Called for each place where a page may be mapped: a VMA and the number of a
// virtual page in it. Returns whether to go on.
using RmapVisitor = absl::FunctionRef<bool(Vma& vma, uint64_t page_number)>;

// What Page::mapping points to: an anon_vma, a KSM stable node, a file's
// mapping, or a balloon. Thread-safe.
class ReverseMap {
 public:
  virtual ~ReverseMap() = default;

  // Visits every place where `page` may be mapped, in the order in which the
  // VMAs were linked (parents before the children that they forked). No VMA is
  // linked or unlinked meanwhile. Blocks while others walk.
  virtual void Walk(const Page& page, RmapVisitor visit) = 0;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_REVERSE_MAP_H_
