// Kinds which depend on a kernel feature or on what the kernel does in its
// own time.

#include <linux/perf_event.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <bit>
#include <chrono>
#include <functional>
#include <string>
#include <thread>

#include "build.h"
#include "self.h"

namespace pageferry::target {
namespace {

constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

// Calls `done` again and again for at most `wait_s`. What it said last.
bool WaitFor(double wait_s, const std::function<bool()>& done) {
  using Clock = std::chrono::steady_clock;
  const auto end = Clock::now() + std::chrono::duration<double>(wait_s);
  while (!done()) {
    if (Clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  return true;
}

void BuildKsm(Region& region) {
  region.content = Content::kEqual;
  if (!Map(region, {.protection = kReadWrite, .flags = kPrivate})) return;
  Fill(region);
  region.access = Access::kRead;  // a store would part the pages again
  if (madvise(region.start, region.bytes(), MADV_MERGEABLE) != 0) {
    return FailErrno(region, "madvise MADV_MERGEABLE");
  }
  if (ReadNumber("/sys/kernel/mm/ksm/run").value_or(0) != 1) {
    return Fail(region, "not merged: /sys/kernel/mm/ksm/run is not 1");
  }
  // The process's own count tells of all its regions of this kind.
  const std::string counter = "/proc/self/ksm_merging_pages";
  const auto before = ReadNumber(counter);
  if (!before) return Fail(region, "cannot read " + counter);
  const auto merged = [&] {
    return ReadNumber(counter).value_or(0) >= *before + region.pages;
  };
  if (!WaitFor(region.spec.wait_s, merged)) {
    const auto now = ReadNumber(counter).value_or(0);
    Fail(region, "only " + std::to_string(now - *before) + " of " +
                     std::to_string(region.pages) + " pages merged");
  }
}

void BuildSwapped(Region& region) {
  if (!Map(region, {.protection = kReadWrite, .flags = kPrivate})) return;
  Fill(region);
  std::size_t live = 0;
  for (std::size_t i = 0; i < region.pages; ++i) live += region.use[i];
  const auto all_out = [&] {
    if (madvise(region.start, region.bytes(), MADV_PAGEOUT) != 0) {
      return true;
    }
    return SwappedPages(region) == live;
  };
  WaitFor(region.spec.wait_s, all_out);
  if (const std::size_t out = SwappedPages(region); out != live) {
    Fail(region, "only " + std::to_string(out) + " of " + std::to_string(live) +
                     " pages swapped out (is there swap?)");
  }
}

void BuildTwice(Region& region) {
  const int file = memfd_create("pageferry_target", MFD_CLOEXEC);
  if (file < 0) return FailErrno(region, "memfd_create");
  if (ftruncate(file, static_cast<off_t>(region.bytes())) != 0) {
    FailErrno(region, "ftruncate");
  } else if (Map(region, {.protection = kReadWrite,
                          .flags = MAP_SHARED,
                          .file = file})) {
    Fill(region);
    region.access = Access::kWrite;
    char* range = Reserve(region.bytes(), kPageBytes);
    if (range == nullptr ||
        mmap(range, region.bytes(), PROT_READ,
             MAP_SHARED | MAP_FIXED | MAP_POPULATE, file, 0) == MAP_FAILED) {
      FailErrno(region, "mmap");
    } else {
      region.second = range;
    }
  }
  close(file);
}

// An event that counts nothing, for its ring buffer. Of a CPU where that is
// allowed: one of a process makes the kernel patch its scheduler while it runs
// (perf_sched_events), which an emulator with several CPUs at times gets wrong
// (a panic on int3 in __schedule).
int OpenIdleEvent() {
  perf_event_attr attributes = {};
  attributes.size = sizeof(attributes);
  attributes.type = PERF_TYPE_SOFTWARE;
  attributes.config = PERF_COUNT_SW_DUMMY;
  attributes.exclude_kernel = 1;
  attributes.disabled = 1;
  const auto open = [&](pid_t pid, int cpu) {
    return static_cast<int>(syscall(SYS_perf_event_open, &attributes, pid, cpu,
                                    -1, PERF_FLAG_FD_CLOEXEC));
  };
  const int of_cpu = open(-1, 0);
  return of_cpu >= 0 ? of_cpu : open(0, -1);
}

// A ring buffer has one page for the kernel's figures and then a power of
// two of pages.
void BuildDevice(Region& region) {
  region.content = Content::kUnknown;
  region.pages =
      1 + std::bit_ceil(std::max<std::size_t>(region.spec.pages, 2) - 1);
  const int event = OpenIdleEvent();
  if (event < 0) return FailErrno(region, "perf_event_open");
  if (Map(region,
          {.protection = kReadWrite, .flags = MAP_SHARED, .file = event})) {
    ReadAll(region);
    region.access = Access::kRead;
  }
  close(event);
}

// Every process has these mappings; nothing is made, they are pointed at.
void PointAt(Region& region, const std::string& name) {
  region.content = Content::kUnknown;
  const auto range = FindMapping(name);
  if (!range) return Fail(region, "no mapping " + name);
  region.start = range->start;
  region.pages = range->pages;
  MakeBooks(region);
}

}  // namespace

void BuildSpecial(Region& region) {
  switch (region.spec.kind) {
    case Kind::kKsm:
      return BuildKsm(region);
    case Kind::kSwapped:
      return BuildSwapped(region);
    case Kind::kTwice:
      return BuildTwice(region);
    case Kind::kDevice:
      return BuildDevice(region);
    case Kind::kVdso:
      return PointAt(region, "[vdso]");
    default:
      return PointAt(region, "[vvar]");
  }
}

}  // namespace pageferry::target
