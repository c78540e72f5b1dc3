// Makes regions. BuildRegion is for everyone; the rest is shared by the
// build_*.cc files, one for each family of kinds.

#ifndef TESTS_TARGET_BUILD_H_
#define TESTS_TARGET_BUILD_H_

#include <cstddef>
#include <string>

#include "region.h"

namespace pageferry::target {

// Maps and fills a region. What cannot be had is told in region.note with
// region.ok = false; the process goes on. Memory policy is the default again
// afterwards, so that none holds pages where they are.
void BuildRegion(const RegionSpec& spec, Region& region);

// Families; each leaves access, content and use as they shall stay.
void BuildPlain(Region& region);
void BuildSpecial(Region& region);
void BuildHuge(Region& region);

// Notes a failure. The first one stays at the head of the note.
void Fail(Region& region, const std::string& why);
void FailErrno(Region& region, const std::string& call);

struct Mapping {
  int protection = 0;
  int flags = 0;  // MAP_FIXED is added
  int file = -1;
  std::size_t alignment_bytes = kPageBytes;
};

// Maps region.pages pages with an untouchable page on either side, so that
// the kernel never joins two regions. False and a note when it fails.
bool Map(Region& region, const Mapping& mapping);

// An address range of its own for `bytes`, aligned, guarded, not accessible.
// Null when there is none.
char* Reserve(std::size_t bytes, std::size_t alignment_bytes);

// Makes `use` and `sequence`, all pages holes.
void MakeBooks(Region& region);

// Writes every page but the holes asked for, and pins those asked for.
void Fill(Region& region);

// Reads every page and counts it as live.
void ReadAll(Region& region);

}  // namespace pageferry::target

#endif  // TESTS_TARGET_BUILD_H_
