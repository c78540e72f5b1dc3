#include "server/kernel/page_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"

namespace pageferry::kernel {

using core::kHugePagePages;

namespace {

// Frames read together: 256 bytes a file.
constexpr uint64_t kNearFrames = 32;

// Entries of pagemap, and runs of a scan, read together.
constexpr uint64_t kEntriesAtATime = 64 * 1024;
constexpr size_t kRunsAtATime = 1024;

}  // namespace

Pagemap::Pagemap(SystemCalls* system, Descriptor file)
    : system_(system), file_(std::move(file)) {}

bool Pagemap::alive() const {
  // Page 0 is within every address space, mapped or not.
  uint64_t entry = 0;
  const SystemResult read =
      system_->Pread(file_.get(), &entry, sizeof(entry), 0);
  return read.ok() && read.value == sizeof(entry);
}

absl::Status Pagemap::Read(core::VirtualAddress start,
                           absl::Span<PagemapEntry> entries) const {
  static_assert(sizeof(PagemapEntry) == sizeof(uint64_t));
  std::fill(entries.begin(), entries.end(), PagemapEntry());
  size_t done = 0;
  while (done < entries.size()) {
    const SystemResult read =
        system_->Pread(file_.get(), entries.data() + done,
                       (entries.size() - done) * sizeof(PagemapEntry),
                       (start.page_number() + done) * sizeof(PagemapEntry));
    if (!read.ok()) {
      return absl::ErrnoToStatus(read.error, "cannot read pagemap");
    }
    if (read.value == 0) {
      if (alive()) return absl::OkStatus();  // beyond the address space
      return absl::NotFoundError("the address space is gone");
    }
    done += static_cast<size_t>(read.value) / sizeof(PagemapEntry);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<core::PageRun>> Pagemap::PresentRuns(
    core::PageRun range) const {
  absl::optional<std::vector<core::PageRun>> scanned = Scan(range);
  if (scanned.has_value()) {
    if (alive()) return *std::move(scanned);
    return absl::NotFoundError("the address space is gone");
  }
  std::vector<core::PageRun> runs;
  std::vector<PagemapEntry> entries(std::min(range.pages, kEntriesAtATime));
  for (uint64_t first = 0; first < range.pages; first += entries.size()) {
    entries.resize(std::min<uint64_t>(entries.size(), range.pages - first));
    const core::VirtualAddress start = range.start.PlusPages(first);
    const absl::Status status = Read(start, absl::MakeSpan(entries));
    if (!status.ok()) return status;
    for (uint64_t i = 0; i < entries.size(); ++i) {
      if (!entries[i].present()) continue;
      const core::VirtualAddress page = start.PlusPages(i);
      if (!runs.empty() && runs.back().end() == page) {
        ++runs.back().pages;
      } else {
        runs.push_back({page, 1});
      }
    }
  }
  return runs;
}

absl::optional<std::vector<core::PageRun>> Pagemap::Scan(
    core::PageRun range) const {
  std::vector<core::PageRun> runs;
  std::vector<core::PageRun> some(kRunsAtATime);
  const uint64_t end = range.end().value();
  for (uint64_t next = range.start.value(); next < end;) {
    uint64_t walked_to = next;
    const SystemResult scanned = system_->ScanPagemap(
        file_.get(), next, end, absl::MakeSpan(some), &walked_to);
    if (!scanned.ok()) return absl::nullopt;
    runs.insert(runs.end(), some.begin(), some.begin() + scanned.value);
    // Nothing more to be seen: the address space is gone, or there is no more.
    if (walked_to <= next) break;
    next = walked_to;
  }
  return runs;
}

FrameStates::FrameStates(SystemCalls* system, Descriptor flags,
                         Descriptor counts)
    : system_(system), flags_(std::move(flags)), counts_(std::move(counts)) {}

absl::StatusOr<FrameStates> FrameStates::Open(SystemCalls* system,
                                              const std::string& proc_root) {
  Descriptor files[2];
  const char* const names[2] = {"/kpageflags", "/kpagecount"};
  for (int i = 0; i < 2; ++i) {
    const SystemResult opened = system->Open(absl::StrCat(proc_root, names[i]));
    if (!opened.ok()) {
      return absl::ErrnoToStatus(
          opened.error, absl::StrCat("cannot open ", proc_root, names[i]));
    }
    files[i] = Descriptor(system, static_cast<int>(opened.value));
  }
  return FrameStates(system, std::move(files[0]), std::move(files[1]));
}

void FrameStates::Forget() {
  near_flags_.clear();
  near_counts_.clear();
  huge_flags_.clear();
}

const std::vector<uint64_t>& FrameStates::Read(Blocks* blocks,
                                               const Descriptor& file,
                                               uint64_t frame,
                                               uint64_t frames) {
  const uint64_t first = frame / frames * frames;
  const auto [it, is_new] = blocks->try_emplace(first);
  if (is_new) {
    // A short or failed read leaves zeroes: frames without flags.
    it->second.assign(frames, 0);
    system_->Pread(file.get(), it->second.data(), frames * sizeof(uint64_t),
                   first * sizeof(uint64_t));
  }
  return it->second;
}

FolioState FrameStates::Look(core::PageFrameNumber frame) {
  const uint64_t near = frame.value() % kNearFrames;
  FolioState state;
  state.flags =
      FrameFlags(Read(&near_flags_, flags_, frame.value(), kNearFrames)[near]);
  state.map_count =
      Read(&near_counts_, counts_, frame.value(), kNearFrames)[near];
  state.head = frame;
  if (!state.flags.compound_head() && !state.flags.compound_tail()) {
    return state;
  }
  const std::vector<uint64_t>& flags =
      Read(&huge_flags_, flags_, frame.value(), kHugePagePages);
  const uint64_t index = frame.value() % kHugePagePages;
  uint64_t head = index;
  while (head > 0 && FrameFlags(flags[head]).compound_tail()) --head;
  uint64_t end = head + 1;
  while (end < kHugePagePages && FrameFlags(flags[end]).compound_tail()) {
    ++end;
  }
  state.flags = FrameFlags(flags[head]);
  state.head = core::PageFrameNumber(frame.value() - index + head);
  state.pages = static_cast<uint32_t>(end - head);
  return state;
}

}  // namespace pageferry::kernel
