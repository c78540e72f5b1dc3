#include "tests/server/kernel/fake_kernel.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "server/kernel/page_map.h"

namespace pageferry::kernel {
namespace {

// End of the user address space with four-level page tables, as a page number.
constexpr uint64_t kEndPage = uint64_t{1} << (47 - 12);

SystemResult Fails(int error) { return {-1, error}; }

}  // namespace

FakeKernel::FakeKernel(core::FakeClock* clock) : clock_(clock) {
  AddProcess(kOwnPid);
}

FakeProcess* FakeKernel::AddProcess(int32_t pid, uint64_t start_time_ticks) {
  auto process = std::make_shared<FakeProcess>();
  process->pid = pid;
  process->start_time_ticks = start_time_ticks;
  processes_[pid] = process;
  return process.get();
}

uint64_t FakeKernel::OwnPage() {
  if (own()->Find(kOwnPage) == nullptr) {
    own()->Map(kOwnPage, 1);
    own()->Put(kOwnPage, memory.Place(memory.nodes().begin()->first));
  }
  return kOwnPage << 12;
}

SystemResult FakeKernel::StartProbe() {
  if (fork_denied) return Fails(EAGAIN);
  FakeProcess* probe = AddProcess(kProbePid);
  probe->Map(kOwnPage, 1);
  probe->Put(kOwnPage, memory.Place(memory.nodes().begin()->first));
  probe->access_denied = !Capable(19);
  return {kProbePid, 0};
}

void FakeKernel::Exit(int32_t pid) {
  processes_.at(pid)->exited = true;
  processes_.erase(pid);
}

void FakeKernel::Exec(int32_t pid) {
  FakeProcess& process = *processes_.at(pid);
  ++process.execs;
  process.pages.clear();
  process.mappings.clear();
}

void FakeKernel::SetFile(const std::string& path, const std::string& text) {
  texts_[path] = text;
}

std::shared_ptr<FakeProcess> FakeKernel::FindProcess(int32_t pid) const {
  const auto it = processes_.find(pid == 0 ? kOwnPid : pid);
  return it == processes_.end() ? nullptr : it->second;
}

SystemResult FakeKernel::PidfdOpen(int32_t pid) {
  if (pidfd_open_denied) return Fails(EPERM);
  if (pid <= 0) return Fails(EINVAL);
  File file;
  file.kind = Kind::kPidfd;
  file.process = FindProcess(pid);
  if (file.process == nullptr) return Fails(ESRCH);
  return OpenFile(std::move(file));
}

SystemResult FakeKernel::PidfdHasExited(int pidfd) {
  return {files_.at(pidfd).process->exited ? 1 : 0, 0};
}

SystemResult FakeKernel::ReadFirstBytes(int32_t pid,
                                        absl::Span<const uint64_t> addresses) {
  if (before_touch) before_touch();
  const std::shared_ptr<FakeProcess> process = FindProcess(pid);
  if (process == nullptr) return Fails(ESRCH);
  int64_t read = 0;
  for (const uint64_t address : addresses) {
    const uint64_t number = address >> 12;
    FakePage* page = process->Find(number);
    const FakeMapping* mapping = process->MappingOf(number);
    if (mapping == nullptr || mapping->inaccessible()) break;
    touched.push_back(number);
    ++read;
    if (page == nullptr || page->folio == nullptr) continue;
    if (page->folio->mappers > 1) copied.push_back(number);
    // A huge page is mapped, and hinted, by one entry.
    const bool huge = page->folio->pages == core::kHugePagePages;
    const uint64_t first = huge ? number - page->index : number;
    const uint64_t count = huge ? page->folio->pages : 1;
    for (uint64_t i = 0; i < count; ++i) {
      process->Find(first + i)->numa_hint = false;
    }
  }
  return read == 0 ? Fails(EFAULT) : SystemResult{read, 0};
}

SystemResult FakeKernel::OpenFile(File file) {
  files_[next_descriptor_] = std::move(file);
  return {next_descriptor_++, 0};
}

SystemResult FakeKernel::Open(const std::string& path) {
  if (before_open) before_open(path);
  const auto error = errors_.find(path);
  if (error != errors_.end()) return Fails(error->second);
  File file;
  const auto text = texts_.find(path);
  if (text != texts_.end()) {
    file.text = text->second;
    return OpenFile(std::move(file));
  }
  if (absl::StartsWith(path, FakeDamon::kRoot)) {
    if (path == damon.slot_folder() && damon.has_slot()) {
      file.kind = Kind::kDamonSlot;
      file.damon_generation = damon.generation();
      return OpenFile(std::move(file));
    }
    const absl::optional<std::string> value = damon.Read(path);
    if (!value.has_value()) return Fails(ENOENT);
    file.text = *value + "\n";
    return OpenFile(std::move(file));
  }
  if (path == "/proc/kpageflags" || path == "/proc/kpagecount") {
    if (!frame_files_open) return Fails(EACCES);
    file.kind =
        path == "/proc/kpageflags" ? Kind::kFrameFlags : Kind::kFrameCounts;
    return OpenFile(std::move(file));
  }
  if (path == "/proc/zoneinfo") {
    file.text = memory.ZoneInfo();
    return OpenFile(std::move(file));
  }
  if (path == "/sys/devices/system/node/has_memory") {
    file.text = absl::StrJoin(memory.nodes(), ",",
                              [](std::string* out, const auto& node) {
                                absl::StrAppend(out, node.first);
                              });
    return OpenFile(std::move(file));
  }
  const std::vector<std::string> parts = absl::StrSplit(path, '/');
  if (parts.size() != 4 || parts[1] != "proc") return Fails(ENOENT);
  return OpenOfProcess(parts[2], parts[3]);
}

SystemResult FakeKernel::OpenOfProcess(const std::string& process,
                                       const std::string& name) {
  int32_t pid = 0;
  if (process != "self" && !absl::SimpleAtoi(process, &pid)) {
    return Fails(ENOENT);
  }
  File file;
  file.process = FindProcess(pid);
  if (file.process == nullptr) return Fails(ENOENT);
  file.execs = file.process->execs;
  if (name == "pagemap") {
    if (file.process->pagemap_denied) return Fails(EACCES);
    file.kind = Kind::kPagemap;
    file.frames_visible = Capable(21);  // CAP_SYS_ADMIN
  } else if (name == "stat") {
    file.text = file.process->Stat();
  } else if (name == "status") {
    file.text = file.process->Status();
  } else if (name == "maps") {
    file.text = file.process->Maps();
  } else if (name == "smaps") {
    file.text = file.process->Smaps();
  } else {
    return Fails(ENOENT);
  }
  return OpenFile(std::move(file));
}

uint64_t FakeKernel::Word(const File& file, uint64_t index) {
  switch (file.kind) {
    case Kind::kPagemap:
      ++pagemap_entries_read;
      return file.process->PagemapEntry(index, file.frames_visible);
    case Kind::kFrameFlags:
      return memory.FlagsOf(index);
    case Kind::kFrameCounts:
      return memory.MapCountOf(index);
    case Kind::kText:
    case Kind::kPidfd:
    case Kind::kDamonSlot:
      break;
  }
  return 0;
}

SystemResult FakeKernel::ScanPagemap(int descriptor, uint64_t start,
                                     uint64_t end,
                                     absl::Span<core::PageRun> runs,
                                     uint64_t* walked_to) {
  const File& file = files_.at(descriptor);
  if (!scans_pagemap || file.kind != Kind::kPagemap) return Fails(ENOTTY);
  FakeProcess& process = *file.process;
  size_t count = 0;
  *walked_to = end;
  if (process.exited || process.execs != file.execs) return {0, 0};
  for (auto page = process.pages.lower_bound(start >> 12);
       page != process.pages.end() && page->first < end >> 12; ++page) {
    if (!PagemapEntry(process.PagemapEntry(page->first, false)).present()) {
      continue;
    }
    const auto address = core::VirtualAddress::OfPage(page->first);
    if (count > 0 && runs[count - 1].end() == address) {
      ++runs[count - 1].pages;
      continue;
    }
    if (count == runs.size()) {
      *walked_to = address.value();
      break;
    }
    runs[count++] = {address, 1};
  }
  return {static_cast<int64_t>(count), 0};
}

SystemResult FakeKernel::Pread(int descriptor, void* buffer,
                               uint64_t size_bytes, uint64_t offset_bytes) {
  const auto it = files_.find(descriptor);
  if (it == files_.end()) return Fails(EBADF);
  const File& file = it->second;
  if (file.kind == Kind::kText) {
    if (offset_bytes >= file.text.size()) return {0, 0};
    const uint64_t size = std::min(size_bytes, file.text.size() - offset_bytes);
    std::memcpy(buffer, file.text.data() + offset_bytes, size);
    return {static_cast<int64_t>(size), 0};
  }
  if (file.kind == Kind::kFrameFlags && before_frame_read) before_frame_read();
  uint64_t words = size_bytes / sizeof(uint64_t);
  const uint64_t first = offset_bytes / sizeof(uint64_t);
  if (file.kind == Kind::kPagemap) {
    const FakeProcess& process = *file.process;
    if (process.exited || process.execs != file.execs) return {0, 0};
    words = first < kEndPage ? std::min(words, kEndPage - first) : 0;
  }
  for (uint64_t i = 0; i < words; ++i) {
    const uint64_t word = Word(file, first + i);
    std::memcpy(static_cast<char*>(buffer) + i * sizeof(word), &word,
                sizeof(word));
  }
  return {static_cast<int64_t>(words * sizeof(uint64_t)), 0};
}

SystemResult FakeKernel::WriteFile(int directory, const std::string& path,
                                   absl::string_view text) {
  std::string whole = path;
  if (directory != kNoDirectory) {
    const File& file = files_.at(directory);
    if (file.damon_generation != damon.generation()) return Fails(ENOENT);
    whole = absl::StrCat(damon.slot_folder(), "/", path);
  }
  const int error = damon.Write(whole, text);
  if (error != 0) return Fails(error);
  return {static_cast<int64_t>(text.size()), 0};
}

absl::StatusOr<std::vector<std::string>> FakeKernel::ListDirectory(
    const std::string& path) {
  std::set<std::string> names;
  for (const auto& [file, text] : texts_) {
    absl::string_view rest = file;
    if (!absl::ConsumePrefix(&rest, path + "/")) continue;
    names.emplace(rest.substr(0, rest.find('/')));
  }
  if (names.empty()) return absl::NotFoundError(path);
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace pageferry::kernel
