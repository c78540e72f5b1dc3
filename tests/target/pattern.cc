#include "pattern.h"

#include <array>

namespace pageferry::target {
namespace {

constexpr std::size_t kWords = kPageBytes / sizeof(std::uint64_t);
constexpr std::array<std::size_t, 4> kSlots = {0, 170, 341, kWords - 1};
constexpr std::uint64_t kOdd = 0x9e3779b97f4a7c15;  // 2^64 / golden ratio

bool IsSlot(std::size_t word) {
  for (std::size_t slot : kSlots) {
    if (slot == word) return true;
  }
  return false;
}

// The first word of a page before any store.
std::uint64_t Base(const Region& region, std::size_t index) {
  if (region.content == Content::kZero) return 0;
  const std::uint64_t page = region.content == Content::kEqual ? 0 : index + 1;
  std::uint64_t mixed =
      ((static_cast<std::uint64_t>(region.number) + 1) << 40 | page) * kOdd;
  mixed ^= mixed >> 31;
  return mixed * kOdd;
}

std::uint64_t Step(const Region& region) {
  return region.content == Content::kZero ? 0 : kOdd;
}

}  // namespace

void MakePage(const Region& region, std::size_t index, void* out) {
  auto* words = static_cast<volatile std::uint64_t*>(out);
  const std::uint64_t base = Base(region, index);
  const std::uint64_t step = Step(region);
  for (std::size_t word = 0; word < kWords; ++word) {
    words[word] = base + word * step;
  }
}

bool SlotsHold(const Region& region, std::size_t index) {
  auto* words =
      reinterpret_cast<const volatile std::uint64_t*>(region.Page(index));
  const std::uint64_t first = Base(region, index) + region.sequence[index];
  const std::uint64_t step = Step(region);
  for (std::size_t slot : kSlots) {
    if (words[slot] != first + slot * step) return false;
  }
  return true;
}

void StoreNext(Region& region, std::size_t index) {
  auto* words = reinterpret_cast<volatile std::uint64_t*>(region.Page(index));
  const std::uint64_t first = Base(region, index) + ++region.sequence[index];
  const std::uint64_t step = Step(region);
  for (std::size_t slot : kSlots) words[slot] = first + slot * step;
}

bool PageHolds(const Region& region, const char* start, std::size_t index) {
  auto* words = reinterpret_cast<const volatile std::uint64_t*>(
      start + index * kPageBytes);
  const std::uint64_t base = Base(region, index);
  const std::uint64_t step = Step(region);
  for (std::size_t word = 0; word < kWords; ++word) {
    std::uint64_t wanted = base + word * step;
    if (IsSlot(word)) wanted += region.sequence[index];
    if (words[word] != wanted) return false;
  }
  return true;
}

void ReadByte(const char* page) {
  [[maybe_unused]] const char byte = *static_cast<const volatile char*>(page);
}

}  // namespace pageferry::target
