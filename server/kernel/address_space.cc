#include "server/kernel/address_space.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace pageferry::kernel {
namespace {

// Takes the next blank-separated word off `line`.
absl::string_view TakeWord(absl::string_view* line) {
  *line = absl::StripLeadingAsciiWhitespace(*line);
  const size_t end = std::min(line->find(' '), line->size());
  const absl::string_view word = line->substr(0, end);
  line->remove_prefix(end);
  return word;
}

// "fd:01", in hexadecimal.
bool ParseDevice(absl::string_view text, DeviceNumber* device) {
  const size_t colon = text.find(':');
  return colon != absl::string_view::npos &&
         absl::SimpleHexAtoi(text.substr(0, colon), &device->major) &&
         absl::SimpleHexAtoi(text.substr(colon + 1), &device->minor);
}

// "start-end perms offset device inode name"; the name may hold blanks.
bool ParseHeader(absl::string_view line, Mapping* mapping) {
  const absl::string_view range = TakeWord(&line);
  const size_t dash = range.find('-');
  uint64_t start = 0;
  uint64_t end = 0;
  if (dash == absl::string_view::npos ||
      !absl::SimpleHexAtoi(range.substr(0, dash), &start) ||
      !absl::SimpleHexAtoi(range.substr(dash + 1), &end)) {
    return false;
  }
  const absl::string_view permissions = TakeWord(&line);
  if (permissions.size() != 4) return false;
  if (TakeWord(&line).empty()) return false;  // offset
  if (!ParseDevice(TakeWord(&line), &mapping->file_system)) return false;
  if (TakeWord(&line).empty()) return false;  // inode
  mapping->start = core::VirtualAddress(start);
  mapping->end = core::VirtualAddress(end);
  mapping->readable = permissions[0] == 'r';
  mapping->writable = permissions[1] == 'w';
  mapping->executable = permissions[2] == 'x';
  mapping->shared = permissions[3] == 's';
  mapping->name = std::string(absl::StripLeadingAsciiWhitespace(line));
  return true;
}

// "Key:   123 kB" as bytes; 0 where it is none.
uint64_t KilobytesOf(absl::string_view value) {
  uint64_t kilobytes = 0;
  const bool parsed = absl::SimpleAtoi(TakeWord(&value), &kilobytes);
  return parsed ? kilobytes * 1024 : 0;
}

// A line of smaps that follows a header.
void ParseAttribute(absl::string_view key, absl::string_view value,
                    Mapping* mapping) {
  if (key == "KernelPageSize") {
    mapping->kernel_page_bytes = std::max(KilobytesOf(value), core::kPageBytes);
  } else if (key == "AnonHugePages" || key == "ShmemPmdMapped" ||
             key == "FilePmdMapped") {
    mapping->huge_page_bytes += KilobytesOf(value);
  } else if (key == "VmFlags") {
    for (absl::string_view flag : absl::StrSplit(value, ' ')) {
      if (flag == "io" || flag == "pf") mapping->device = true;
    }
  }
}

}  // namespace

bool Mapping::special() const {
  return device || name == "[vdso]" || name == "[vvar]" ||
         name == "[vvar_vclock]" || name == "[vsyscall]";
}

absl::StatusOr<AddressSpace> AddressSpace::Parse(absl::string_view text) {
  AddressSpace space;
  int number = 0;
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    ++number;
    if (line.empty()) continue;
    // Keys of smaps begin with a capital and addresses do not.
    const size_t colon = line.find(':');
    if (line[0] >= 'A' && line[0] <= 'Z' && colon != absl::string_view::npos) {
      if (!space.mappings_.empty()) {
        ParseAttribute(line.substr(0, colon), line.substr(colon + 1),
                       &space.mappings_.back());
      }
      continue;
    }
    Mapping mapping;
    if (!ParseHeader(line, &mapping)) {
      return absl::InvalidArgumentError(absl::StrCat(
          "line ", number, " is no mapping of /proc/PID/maps: ", line));
    }
    space.mappings_.push_back(std::move(mapping));
  }
  return space;
}

const Mapping* AddressSpace::Find(core::VirtualAddress address) const {
  const auto after = std::partition_point(
      mappings_.begin(), mappings_.end(),
      [address](const Mapping& mapping) { return mapping.end <= address; });
  if (after == mappings_.end() || address < after->start) return nullptr;
  return &*after;
}

}  // namespace pageferry::kernel
