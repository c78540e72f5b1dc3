// What pages contain, so that a lost or misplaced store shows.
//
// Every word of a page has a value of its own made of region, page and word.
// A few words spread over the page, the slots, also count: each store adds
// one to all of them. A page that was copied while it was written to, and
// missed a store, therefore holds slots that are behind.

#ifndef TESTS_TARGET_PATTERN_H_
#define TESTS_TARGET_PATTERN_H_

#include <cstddef>
#include <cstdint>

#include "region.h"

namespace pageferry::target {

// Writes every word of a page into `out`, which has kPageBytes.
void MakePage(const Region& region, std::size_t index, void* out);

// True when the slots hold what was stored last. Reads the page.
bool SlotsHold(const Region& region, std::size_t index);

// Adds one to the slots and to region.sequence[index].
void StoreNext(Region& region, std::size_t index);

// True when every word holds, seen through the mapping at `start`.
bool PageHolds(const Region& region, const char* start, std::size_t index);

// Reads one byte, so that the kernel maps the page if it is not mapped.
void ReadByte(const char* page);

}  // namespace pageferry::target

#endif  // TESTS_TARGET_PATTERN_H_
