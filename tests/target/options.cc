#include "options.h"

#include <charconv>
#include <map>
#include <set>

namespace pageferry::target {
namespace {

const std::map<std::string, Kind>& Kinds() {
  static const auto& kinds = *new std::map<std::string, Kind>{
      {"anon", Kind::kAnon},         {"device", Kind::kDevice},
      {"file", Kind::kFile},         {"holes", Kind::kHoles},
      {"hugetlb", Kind::kHugetlb},   {"hugezero", Kind::kHugeZero},
      {"ksm", Kind::kKsm},           {"mlocked", Kind::kMlocked},
      {"pinned", Kind::kPinned},     {"protnone", Kind::kProtNone},
      {"readonly", Kind::kReadOnly}, {"shared-fork", Kind::kSharedFork},
      {"shm", Kind::kShm},           {"swapped", Kind::kSwapped},
      {"thp", Kind::kThp},           {"tmpfs", Kind::kTmpfs},
      {"twice", Kind::kTwice},       {"untouched", Kind::kUntouched},
      {"vdso", Kind::kVdso},         {"vvar", Kind::kVvar},
      {"zero", Kind::kZero},         {"changing", Kind::kChanging}};
  return kinds;
}

// Keys that only some kinds know; hole and pin go with all that are filled.
const std::map<std::string, std::set<Kind>>& SpecialKeys() {
  static const auto& keys = *new std::map<std::string, std::set<Kind>>{
      {"dirty", {Kind::kFile}},
      {"every", {Kind::kPinned}},
      {"mappers", {Kind::kShm}},
      {"pages", {Kind::kPinned}},
      {"path", {Kind::kFile, Kind::kTmpfs}},
      {"shared", {Kind::kChanging}},
      {"wait", {Kind::kKsm, Kind::kSwapped}}};
  return keys;
}

std::size_t ParseNumber(const std::string& text, const std::string& what) {
  std::size_t number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  if (result.ec != std::errc() || result.ptr != end || text.empty()) {
    throw UsageError(what + ": '" + text + "' is no number");
  }
  return number;
}

int ParseSmall(const std::string& text, const std::string& what) {
  const std::size_t number = ParseNumber(text, what);
  if (number > 1000000000) throw UsageError(what + ": too large");
  return static_cast<int>(number);
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::size_t from = 0;
  while (true) {
    const std::size_t to = text.find(separator, from);
    parts.push_back(text.substr(from, to - from));
    if (to == std::string::npos) return parts;
    from = to + 1;
  }
}

// "3+10+20-30" adds 3, 10 and 20 to 30.
void AddIndexes(const std::string& text, const RegionSpec& spec,
                const std::string& what, std::vector<std::size_t>& indexes) {
  for (const std::string& part : Split(text, '+')) {
    const std::vector<std::string> ends = Split(part, '-');
    const std::size_t first = ParseNumber(ends.front(), what);
    const std::size_t last = ParseNumber(ends.back(), what);
    if (ends.size() > 2 || first > last || last >= spec.pages) {
      throw UsageError(what + ": an index lies outside the region");
    }
    for (std::size_t i = first; i <= last; ++i) indexes.push_back(i);
  }
}

void ApplyKey(const std::string& key, const std::string& value,
              RegionSpec& spec) {
  const std::string what = spec.kind_name + "," + key;
  const auto special = SpecialKeys().find(key);
  if (special != SpecialKeys().end() && !special->second.contains(spec.kind)) {
    throw UsageError(what + ": this kind has no such key");
  }
  if (key == "hole") {
    AddIndexes(value, spec, what, spec.holes);
  } else if (key == "pin" || key == "pages") {
    AddIndexes(value, spec, what, spec.pins);
  } else if (key == "every") {
    spec.pin_every = ParseNumber(value, what);
  } else if (key == "mappers") {
    spec.mappers = ParseSmall(value, what);
    if (spec.mappers < 1 || spec.mappers > 2) {
      throw UsageError(what + ": 1 or 2");
    }
  } else if (key == "dirty") {
    spec.dirty = ParseNumber(value, what) != 0;
  } else if (key == "shared") {
    spec.shared = ParseNumber(value, what) != 0;
  } else if (key == "path") {
    spec.path = value;
  } else if (key == "wait") {
    spec.wait_s = ParseSmall(value, what);
  } else {
    throw UsageError(what + ": no such key");
  }
}

}  // namespace

const char kUsage[] =
    "usage: pageferry_target --region KIND:PAGES[:NODE][,KEY=VALUE...] ...\n"
    "         [--threads T] [--idle] [--cpu N] [--uid U] [--pause-us N]\n"
    "         [--seed S]\n";

RegionSpec ParseRegion(const std::string& text) {
  const std::vector<std::string> parts = Split(text, ',');
  const std::vector<std::string> head = Split(parts[0], ':');
  if (head.size() < 2 || head.size() > 3) {
    throw UsageError("'" + text + "': KIND:PAGES[:NODE] wanted");
  }
  RegionSpec spec;
  spec.kind_name = head[0];
  const auto kind = Kinds().find(head[0]);
  if (kind == Kinds().end()) {
    throw UsageError("'" + head[0] + "': no such kind");
  }
  spec.kind = kind->second;
  spec.pages = ParseNumber(head[1], "pages of '" + text + "'");
  if (spec.pages == 0 || spec.pages > std::size_t{1} << 32) {
    throw UsageError("'" + text + "': 1 page at least, 2^32 at most");
  }
  if (head.size() == 3) spec.node = ParseSmall(head[2], "node");
  if (spec.node >= 1024) throw UsageError("'" + text + "': no such node");
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = parts[i].find('=');
    if (equals == std::string::npos) {
      throw UsageError("'" + parts[i] + "': KEY=VALUE wanted");
    }
    ApplyKey(parts[i].substr(0, equals), parts[i].substr(equals + 1), spec);
  }
  if (spec.kind == Kind::kPinned && spec.pins.empty() && spec.pin_every == 0) {
    spec.pin_every = 1;
  }
  return spec;
}

Options ParseOptions(const std::vector<std::string>& words) {
  Options options;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& flag = words[i];
    if (flag == "--idle") {
      options.threads = 0;
      continue;
    }
    if (flag == "--asleep") {
      options.asleep = true;
      continue;
    }
    static const auto& known = *new std::set<std::string>{
        "--region", "--threads", "--cpu", "--uid", "--pause-us", "--seed"};
    if (!known.contains(flag)) throw UsageError("'" + flag + "': no such flag");
    if (++i == words.size()) throw UsageError(flag + ": a value is missing");
    if (flag == "--region") {
      options.regions.push_back(ParseRegion(words[i]));
    } else if (flag == "--threads") {
      options.threads = ParseSmall(words[i], flag);
    } else if (flag == "--cpu") {
      options.cpu = ParseSmall(words[i], flag);
    } else if (flag == "--uid") {
      options.uid = ParseSmall(words[i], flag);
    } else if (flag == "--seed") {
      options.seed = ParseSmall(words[i], flag);
    } else {
      options.pause_us = ParseSmall(words[i], flag);
    }
  }
  if (options.threads > 256) throw UsageError("--threads: 256 at most");
  if (options.regions.empty() && !options.asleep) {
    throw UsageError("--region is missing");
  }
  return options;
}

}  // namespace pageferry::target
