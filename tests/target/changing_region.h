// A region whose mappings change all the time: unmapped, protected, remapped,
// swapped out, made huge, pinned; and whose pages hold what was stored all the
// same.

#ifndef TESTS_TARGET_CHANGING_REGION_H_
#define TESTS_TARGET_CHANGING_REGION_H_

#include <cstddef>
#include <vector>

#include "region.h"

namespace pageferry::target {

// Pages [first, first + count) of a region.
struct Piece {
  std::size_t first = 0;
  std::size_t count = 0;
  std::size_t end() const { return first + count; }
};

// The changes and the books about them. Each change is one call or two, as a
// program would make them, and leaves the piece as it then is: the next change
// may find it without access or not mapped at all. Used by one thread. A call
// that cannot fail but fails ends the process with a word why.
class ChangingRegion {
 public:
  // `region` is filled and outlives this; nobody else uses its pages.
  explicit ChangingRegion(Region& region);
  ChangingRegion(const ChangingRegion&) = delete;
  ChangingRegion& operator=(const ChangingRegion&) = delete;

  std::size_t pages() const { return region_.pages; }
  // A fork gives the child the pages as they are, for good.
  bool is_private() const { return region_.file < 0; }

  // Verifies what is stored and stores anew; fills pages that were never
  // touched.
  void Store(Piece piece);
  // Reads, so that the page of zeroes comes to where nothing is.
  void Read(Piece piece);
  // MADV_DONTNEED, or a hole in the file: the pages are gone, and read zero.
  void Discard(Piece piece);
  // No mapping is left, until something else uses the piece.
  void Unmap(Piece piece);
  // mremap to another place, where the pages stay until something uses them.
  void MoveAway(Piece piece);
  // Any protection, advice that loses nothing, mlock2: the kernel may refuse.
  void Protect(Piece piece, int protection);
  void Advise(Piece piece, int advice);
  void Lock(Piece piece);
  // An extra reference by vmsplice, until Unpin.
  void Pin(std::size_t index);
  void Unpin() { region_.pins.Release(); }

  // Makes the piece plain memory again: mapped, in its place, accessible.
  void Restore(Piece piece);
  Piece all() const { return {0, region_.pages}; }

  // Whether every page holds: what was stored, or zeroes. Restore(all())
  // first. Marks pages that do not.
  bool Holds();

 private:
  void Return();
  void ReserveElsewhere();

  Region& region_;
  // Pages that are not mapped, those that are elsewhere included.
  std::vector<bool> gone_;
  // Where MoveAway brings pages to, and which are there.
  char* elsewhere_ = nullptr;
  Piece away_;
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_CHANGING_REGION_H_
