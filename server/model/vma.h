// A mapped part of an address space.

#ifndef PAGEFERRY_SERVER_MODEL_VMA_H_
#define PAGEFERRY_SERVER_MODEL_VMA_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

namespace pageferry::model {

class AddressSpace;
class AnonVma;
class Balloon;
class Mapping;
class StableNode;

enum class VmaKind : uint8_t {
  kAnonymous,
  // Pages of a file or of shared memory.
  kFile,
  // Anonymous memory of hugetlb pages.
  kHugetlb,
  // Device memory: no page structures, nothing to move.
  kDevice,
  // A window on the pages of a balloon driver. No process maps those; the
  // window gives them addresses by which they can be named. Accesses fault.
  kBalloon,
};

// Consecutive virtual pages of one kind. Belongs to its address space; changed
// under the space's lock but for the permissions, which may be read at any
// time. The reverse maps that it is linked to know it by address.
struct Vma {
  bool Contains(uint64_t page_number) const {
    return page_number >= start_page && page_number < end_page;
  }
  // Its place in the mapping (Page::index) and back.
  uint64_t IndexOf(uint64_t page_number) const {
    return page_number - start_page + page_offset;
  }
  uint64_t PageNumberOf(uint64_t index) const {
    return index - page_offset + start_page;
  }

  AddressSpace* space = nullptr;
  uint64_t start_page = 0;
  uint64_t end_page = 0;  // one after the last
  VmaKind kind = VmaKind::kAnonymous;
  std::atomic<bool> readable{true};
  std::atomic<bool> writable{true};
  // Stores go to the mapping itself (MAP_SHARED), not to a copy.
  bool shared = false;
  bool mlocked = false;
  // The stack of an exec that is under way; the reverse map leaves it alone
  // (is_vma_temporary_stack).
  bool temporary_stack = false;
  // Index of the first page in its mapping.
  uint64_t page_offset = 0;

  // Where new anonymous pages of this VMA are rooted, and all that it is linked
  // to: its own and those of the VMAs from which it was forked.
  std::shared_ptr<AnonVma> anon_vma;
  std::vector<std::shared_ptr<AnonVma>> anon_vma_chain;
  std::vector<std::shared_ptr<StableNode>> stable_nodes;
  std::shared_ptr<Mapping> file;
  std::shared_ptr<Balloon> balloon;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_VMA_H_
