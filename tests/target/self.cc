#include "self.h"

#include <fcntl.h>
#include <numaif.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <sstream>
#include <vector>

#include "region.h"

namespace pageferry::target {
namespace {

constexpr std::uint64_t kSwapped = std::uint64_t{1} << 62;
constexpr std::uint64_t kFrameNumber = (std::uint64_t{1} << 55) - 1;
constexpr int kStartTimeField = 22;

// One word of a file that is an array of words.
std::optional<std::uint64_t> ReadWord(const char* path, std::uint64_t index) {
  const int file = open(path, O_RDONLY | O_CLOEXEC);
  if (file < 0) return std::nullopt;
  std::uint64_t word = 0;
  const ssize_t got = pread(file, &word, sizeof(word),
                            static_cast<off_t>(index * sizeof(word)));
  close(file);
  if (got != static_cast<ssize_t>(sizeof(word))) return std::nullopt;
  return word;
}

std::uint64_t PageNumber(const char* address) {
  return reinterpret_cast<std::uintptr_t>(address) / kPageBytes;
}

// Reads "start-end ..." at the head of a line of maps or smaps.
bool ParseRange(const std::string& line, std::uintptr_t& start,
                std::uintptr_t& end) {
  unsigned long from = 0;
  unsigned long to = 0;
  if (std::sscanf(line.c_str(), "%lx-%lx ", &from, &to) != 2) return false;
  start = from;
  end = to;
  return true;
}

}  // namespace

std::uint64_t StartTimeTicks() {
  std::ifstream file("/proc/self/stat");
  std::string text;
  std::getline(file, text);
  // The second field, in parentheses, may hold blanks.
  std::istringstream rest(text.substr(text.rfind(')') + 1));
  std::string word;
  for (int field = 3; field <= kStartTimeField; ++field) rest >> word;
  return std::stoull(word);
}

std::map<int, std::size_t> PagesByNode(const Region& region) {
  constexpr std::size_t kChunkPages = 4096;
  std::map<int, std::size_t> counts;
  for (std::size_t first = 0; first < region.pages; first += kChunkPages) {
    const std::size_t count = std::min(kChunkPages, region.pages - first);
    std::vector<void*> pages(count);
    std::vector<int> status(count, -EINVAL);
    for (std::size_t i = 0; i < count; ++i) pages[i] = region.Page(first + i);
    if (move_pages(0, count, pages.data(), nullptr, status.data(), 0) < 0) {
      status.assign(count, -errno);
    }
    for (int value : status) ++counts[value];
  }
  return counts;
}

std::size_t SmapsBytes(const Region& region, const std::string& field) {
  std::ifstream file("/proc/self/smaps");
  const auto low = reinterpret_cast<std::uintptr_t>(region.start);
  const auto high = low + region.bytes();
  bool inside = false;
  std::size_t total_bytes = 0;
  for (std::string line; std::getline(file, line);) {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    if (ParseRange(line, start, end)) {
      inside = start >= low && end <= high;
    } else if (inside && line.rfind(field + ":", 0) == 0) {
      total_bytes += std::stoull(line.substr(field.size() + 1)) * 1024;
    }
  }
  return total_bytes;
}

std::size_t SwappedPages(const Region& region) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < region.pages; ++i) {
    const auto word =
        ReadWord("/proc/self/pagemap", PageNumber(region.Page(i)));
    if (word && (*word & kSwapped)) ++count;
  }
  return count;
}

std::optional<std::uint64_t> FrameFlags(const char* address) {
  const auto word = ReadWord("/proc/self/pagemap", PageNumber(address));
  if (!word || (*word & kFrameNumber) == 0) return std::nullopt;
  return ReadWord("/proc/kpageflags", *word & kFrameNumber);
}

std::optional<std::uint64_t> ReadNumber(const std::string& path) {
  std::ifstream file(path);
  std::uint64_t number = 0;
  if (!(file >> number)) return std::nullopt;
  return number;
}

std::optional<Range> FindMapping(const std::string& name) {
  std::ifstream file("/proc/self/maps");
  for (std::string line; std::getline(file, line);) {
    std::uintptr_t start = 0;
    std::uintptr_t end = 0;
    if (line.size() > name.size() && line.ends_with(" " + name) &&
        ParseRange(line, start, end)) {
      // What a file says is a number; there is no pointer to derive it from.
      return Range{reinterpret_cast<char*>(start),  // NOLINT
                   (end - start) / kPageBytes};
    }
  }
  return std::nullopt;
}

}  // namespace pageferry::target
