#include "client/cli/pages.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace pageferry::client::cli {
namespace {

// Pages of the whole 64-bit address space.
constexpr uint64_t kAddressSpacePages = (uint64_t{1} << 63) / kPageBytes * 2;

// Most bytes that one page takes as an address, and one range: two tags, a
// length, a start of at most ten bytes and a count of at most eight.
constexpr uint64_t kAddressBytes = 8;
constexpr uint64_t kRangeBytes = 22;

bool ParseNumber(absl::string_view text, uint64_t* value) {
  if (absl::StartsWithIgnoreCase(text, "0x")) {
    return absl::SimpleHexAtoi(text, value);
  }
  return absl::SimpleAtoi(text, value);
}

absl::StatusOr<PageRun> ParseAddressOrRange(absl::string_view text) {
  if (absl::StrContains(text, ':')) return ParseRange(text);
  return ParseAddress(text);
}

absl::StatusOr<std::vector<PageRun>> ReadFile(const std::string& name,
                                              std::istream& standard_input) {
  if (name == "-") return ReadPageList("standard input", standard_input);
  std::ifstream file(name);
  if (!file.is_open()) {
    return absl::InvalidArgumentError(
        absl::StrCat(name, ": ", std::strerror(errno)));
  }
  return ReadPageList(name, file);
}

// Fills one chunk after the other.
class Splitter {
 public:
  explicit Splitter(const RequestLimits& limits) : limits_(limits) {}

  void Add(PageRun run) {
    while (run.page_count > 0) {
      const bool alone = run.page_count == 1;
      const uint64_t bytes = alone ? kAddressBytes : kRangeBytes;
      if (chunks_.empty() || IsFull(alone, bytes)) {
        chunks_.emplace_back();
        bytes_ = 0;
      }
      bytes_ += bytes;
      PageChunk& chunk = chunks_.back();
      const uint64_t taken =
          std::min(run.page_count, limits_.pages - chunk.page_count);
      if (alone) {
        chunk.addresses.push_back(run.first_page * kPageBytes);
      } else {
        chunk.ranges.push_back({run.first_page, taken});
      }
      chunk.page_count += taken;
      run.first_page += taken;
      run.page_count -= taken;
    }
  }

  std::vector<PageChunk> Take() && { return std::move(chunks_); }

 private:
  bool IsFull(bool alone, uint64_t bytes) const {
    const PageChunk& chunk = chunks_.back();
    return chunk.page_count == limits_.pages ||
           bytes_ + bytes > limits_.bytes ||
           (!alone && chunk.ranges.size() == limits_.ranges);
  }

  const RequestLimits limits_;
  std::vector<PageChunk> chunks_;
  uint64_t bytes_ = 0;  // of the last chunk
};

}  // namespace

absl::StatusOr<PageRun> ParseAddress(absl::string_view text) {
  uint64_t address = 0;
  if (!ParseNumber(text, &address)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" is not an address (0x hexadecimal, or decimal)"));
  }
  return PageRun{address / kPageBytes, 1};
}

absl::StatusOr<PageRun> ParseRange(absl::string_view text) {
  const size_t colon = text.find(':');
  uint64_t start = 0;
  uint64_t pages = 0;
  if (colon == absl::string_view::npos ||
      !ParseNumber(text.substr(0, colon), &start) ||
      !ParseNumber(text.substr(colon + 1), &pages)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\" is not a range (START:PAGES)"));
  }
  const PageRun run = {start / kPageBytes, pages};
  if (pages == 0 || pages > kAddressSpacePages - run.first_page) {
    return absl::InvalidArgumentError(absl::StrCat(
        "\"", text, "\" has ", pages,
        " pages; a range has at least 1 and ends within the address space"));
  }
  return run;
}

absl::StatusOr<std::vector<PageRun>> ReadPageList(absl::string_view name,
                                                  std::istream& input) {
  std::vector<PageRun> runs;
  std::string line;
  for (int number = 1; std::getline(input, line); ++number) {
    absl::string_view text = line;
    text = absl::StripAsciiWhitespace(text.substr(0, text.find('#')));
    if (text.empty()) continue;
    const absl::StatusOr<PageRun> run = ParseAddressOrRange(text);
    if (!run.ok()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ":", number, ": ", run.status().message()));
    }
    runs.push_back(*run);
  }
  if (input.bad()) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": cannot be read"));
  }
  return runs;
}

absl::StatusOr<std::vector<PageRun>> ReadPages(const PageArguments& arguments,
                                               std::istream& standard_input) {
  std::vector<PageRun> runs;
  if (!arguments.file.empty()) {
    absl::StatusOr<std::vector<PageRun>> listed =
        ReadFile(arguments.file, standard_input);
    if (!listed.ok()) return listed.status();
    runs = *std::move(listed);
  }
  for (const std::string& text : arguments.ranges) {
    const absl::StatusOr<PageRun> run = ParseRange(text);
    if (!run.ok()) return run.status();
    runs.push_back(*run);
  }
  for (const std::string& text : arguments.addresses) {
    const absl::StatusOr<PageRun> run = ParseAddress(text);
    if (!run.ok()) return run.status();
    runs.push_back(*run);
  }
  if (runs.empty()) return absl::InvalidArgumentError("no page is named");
  return Normalize(std::move(runs));
}

std::vector<PageRun> Normalize(std::vector<PageRun> runs) {
  std::sort(runs.begin(), runs.end(), [](const PageRun& a, const PageRun& b) {
    return a.first_page < b.first_page;
  });
  std::vector<PageRun> merged;
  for (const PageRun& run : runs) {
    if (!merged.empty()) {
      PageRun& last = merged.back();
      const uint64_t last_end = last.first_page + last.page_count;
      if (run.first_page <= last_end) {
        last.page_count = std::max(last_end, run.first_page + run.page_count) -
                          last.first_page;
        continue;
      }
    }
    merged.push_back(run);
  }
  return merged;
}

uint64_t CountPages(const std::vector<PageRun>& runs) {
  uint64_t pages = 0;
  for (const PageRun& run : runs) pages += run.page_count;
  return pages;
}

std::vector<PageChunk> SplitPages(const std::vector<PageRun>& runs,
                                  const RequestLimits& limits) {
  Splitter splitter(limits);
  for (const PageRun& run : runs) splitter.Add(run);
  return std::move(splitter).Take();
}

}  // namespace pageferry::client::cli
