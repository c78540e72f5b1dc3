#include "changing_region.h"

#include <sys/mman.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "build.h"
#include "pattern.h"

namespace pageferry::target {
namespace {

constexpr int kReadWrite = PROT_READ | PROT_WRITE;

[[noreturn]] void Die(const char* call) {
  std::perror(
      (std::string("pageferry_target: changing region: ") + call).c_str());
  std::_Exit(1);
}

bool IsZero(const char* page) {
  auto* words = reinterpret_cast<const volatile std::uint64_t*>(page);
  for (std::size_t i = 0; i < kPageBytes / sizeof(std::uint64_t); ++i) {
    if (words[i] != 0) return false;
  }
  return true;
}

std::size_t Bytes(Piece piece) { return piece.count * kPageBytes; }

}  // namespace

ChangingRegion::ChangingRegion(Region& region)
    : region_(region), gone_(region.pages, false) {
  elsewhere_ = Reserve(region.bytes(), kPageBytes);
  if (elsewhere_ == nullptr) Die("mmap");
}

void ChangingRegion::Store(Piece piece) {
  Restore(piece);
  for (std::size_t i = piece.first; i < piece.end(); ++i) {
    if (region_.use[i] == kHole) {
      region_.sequence[i] = 0;
      MakePage(region_, i, region_.Page(i));
      region_.use[i] = kLive;
    } else if (!SlotsHold(region_, i)) {
      region_.use[i] = kLost;
    } else {
      StoreNext(region_, i);
    }
  }
}

void ChangingRegion::Read(Piece piece) {
  Restore(piece);
  for (std::size_t i = piece.first; i < piece.end(); ++i) {
    ReadByte(region_.Page(i));
  }
}

void ChangingRegion::Discard(Piece piece) {
  Restore(piece);
  const int advice = is_private() ? MADV_DONTNEED : MADV_REMOVE;
  if (madvise(region_.Page(piece.first), Bytes(piece), advice) != 0) {
    Die("madvise");
  }
  for (std::size_t i = piece.first; i < piece.end(); ++i) {
    if (region_.use[i] != kLost) region_.use[i] = kHole;
  }
}

void ChangingRegion::Unmap(Piece piece) {
  Restore(piece);
  if (munmap(region_.Page(piece.first), Bytes(piece)) != 0) Die("munmap");
  for (std::size_t i = piece.first; i < piece.end(); ++i) {
    gone_[i] = true;
    // Shared pages live on in the file.
    if (is_private() && region_.use[i] != kLost) region_.use[i] = kHole;
  }
}

void ChangingRegion::MoveAway(Piece piece) {
  Return();
  Restore(piece);
  char* page = region_.Page(piece.first);
  // The kernel moves one mapping at a time; a piece of several stays.
  if (mremap(page, Bytes(piece), Bytes(piece), MREMAP_MAYMOVE | MREMAP_FIXED,
             elsewhere_) == MAP_FAILED) {
    ReserveElsewhere();
    return;
  }
  away_ = piece;
  for (std::size_t i = piece.first; i < piece.end(); ++i) gone_[i] = true;
}

void ChangingRegion::Return() {
  if (away_.count == 0) return;
  char* page = region_.Page(away_.first);
  if (mremap(elsewhere_, Bytes(away_), Bytes(away_),
             MREMAP_MAYMOVE | MREMAP_FIXED, page) == MAP_FAILED) {
    Die("mremap");
  }
  for (std::size_t i = away_.first; i < away_.end(); ++i) gone_[i] = false;
  away_ = {};
  ReserveElsewhere();
}

void ChangingRegion::ReserveElsewhere() {
  if (mmap(elsewhere_, region_.bytes(), PROT_NONE,
           MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1,
           0) == MAP_FAILED) {
    Die("mmap");
  }
}

void ChangingRegion::Protect(Piece piece, int protection) {
  mprotect(region_.Page(piece.first), Bytes(piece), protection);
}

void ChangingRegion::Advise(Piece piece, int advice) {
  madvise(region_.Page(piece.first), Bytes(piece), advice);
}

void ChangingRegion::Lock(Piece piece) {
  mlock2(region_.Page(piece.first), Bytes(piece), MLOCK_ONFAULT);
}

void ChangingRegion::Pin(std::size_t index) {
  Restore({index, 1});
  // Whether it could be had is no matter: limits are the kernel's.
  region_.pins.Add(region_.Page(index));
}

void ChangingRegion::Restore(Piece piece) {
  const bool apart = piece.end() <= away_.first || away_.end() <= piece.first;
  if (away_.count > 0 && !apart) Return();
  for (std::size_t i = piece.first; i < piece.end();) {
    std::size_t end = i;
    while (end < piece.end() && gone_[end]) gone_[end++] = false;
    if (end == i) {
      ++i;
      continue;
    }
    const int flags =
        is_private() ? MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE : MAP_SHARED;
    if (mmap(region_.Page(i), (end - i) * kPageBytes, kReadWrite,
             flags | MAP_FIXED_NOREPLACE, region_.file,
             is_private() ? 0 : static_cast<off_t>(i * kPageBytes)) !=
        region_.Page(i)) {
      Die("mmap");
    }
    i = end;
  }
  char* start = region_.Page(piece.first);
  if (munlock(start, Bytes(piece)) != 0) Die("munlock");
  if (mprotect(start, Bytes(piece), kReadWrite) != 0) Die("mprotect");
}

bool ChangingRegion::Holds() {
  bool all_hold = true;
  for (std::size_t i = 0; i < region_.pages; ++i) {
    const bool holds = region_.use[i] == kLive
                           ? PageHolds(region_, region_.start, i)
                           : region_.use[i] == kHole && IsZero(region_.Page(i));
    if (holds) continue;
    region_.use[i] = kLost;
    all_hold = false;
  }
  return all_hold;
}

}  // namespace pageferry::target
