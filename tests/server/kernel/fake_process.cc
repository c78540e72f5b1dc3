#include "tests/server/kernel/fake_process.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pageferry::kernel {
namespace {

std::string Header(const FakeMapping& mapping) {
  return absl::StrCat(
      absl::Hex(mapping.first_page << 12, absl::kZeroPad8), "-",
      absl::Hex((mapping.first_page + mapping.pages) << 12, absl::kZeroPad8),
      " ", mapping.permissions, " 00000000 ", mapping.file_system, " 0 ",
      mapping.name, "\n");
}

}  // namespace

void FakeProcess::Map(uint64_t first_page, uint64_t count,
                      const std::string& permissions, const std::string& name) {
  FakeMapping mapping;
  mapping.first_page = first_page;
  mapping.pages = count;
  mapping.permissions = permissions;
  mapping.name = name;
  mappings.push_back(mapping);
  std::sort(mappings.begin(), mappings.end(),
            [](const FakeMapping& a, const FakeMapping& b) {
              return a.first_page < b.first_page;
            });
}

void FakeProcess::Put(uint64_t first_page, FakeFolio* folio) {
  for (uint32_t i = 0; i < folio->pages; ++i) {
    FakePage page;
    page.folio = folio;
    page.index = i;
    pages[first_page + i] = page;
  }
}

const FakeMapping* FakeProcess::MappingOf(uint64_t page) const {
  for (const FakeMapping& mapping : mappings) {
    if (page >= mapping.first_page &&
        page < mapping.first_page + mapping.pages) {
      return &mapping;
    }
  }
  return nullptr;
}

FakePage* FakeProcess::Find(uint64_t page) {
  const auto it = pages.find(page);
  return it == pages.end() ? nullptr : &it->second;
}

int FakeProcess::NodeOf(uint64_t page) {
  const FakePage* found = Find(page);
  return found == nullptr || found->folio == nullptr ? -1 : found->folio->node;
}

std::string FakeProcess::Stat() const {
  return absl::StrCat(pid, " (", command, ") ", std::string(1, state),
                      " 1 1 1 0 -1 ", kernel_thread ? 2129984 : 4194560,
                      " 0 0 0 0 0 0 0 0 20 0 1 0 ", start_time_ticks,
                      " 1000000 100 18446744073709551615 0 0 0\n");
}

std::string FakeProcess::Status() const {
  return absl::StrCat("Name:\t", command, "\nMems_allowed:\t1\n",
                      "Mems_allowed_list:\t", absl::StrJoin(allowed_nodes, ","),
                      "\nvoluntary_ctxt_switches:\t1\n");
}

std::string FakeProcess::Maps() const {
  std::string text;
  for (const FakeMapping& mapping : mappings) {
    absl::StrAppend(&text, Header(mapping));
  }
  return text;
}

std::string FakeProcess::Smaps() {
  std::string text;
  for (const FakeMapping& mapping : mappings) {
    uint64_t kernel_page_kb = 4;
    uint64_t huge_kb = 0;
    const uint64_t end = mapping.first_page + mapping.pages;
    for (auto it = pages.lower_bound(mapping.first_page);
         it != pages.end() && it->first < end; ++it) {
      const FakeFolio* folio = it->second.folio;
      if (folio == nullptr || folio->pages == 1) continue;
      if (folio->hugetlb) {
        kernel_page_kb = folio->pages * 4;
      } else {
        huge_kb += 4;
      }
    }
    absl::StrAppend(&text, Header(mapping), "Size: ", mapping.pages * 4,
                    " kB\nKernelPageSize: ", kernel_page_kb,
                    " kB\nAnonHugePages: ", huge_kb, " kB\nVmFlags: rd mr ",
                    mapping.device ? "pf" : "ac", "\n");
  }
  return text;
}

uint64_t FakeProcess::PagemapEntry(uint64_t page, bool frames_visible) {
  const FakePage* found = Find(page);
  if (found == nullptr) return 0;
  if (found->swapped) return uint64_t{1} << 62;
  if (found->folio == nullptr) return 0;
  const FakeFolio& folio = *found->folio;
  uint64_t entry = uint64_t{1} << 63;
  if (!folio.anonymous && !folio.zero) entry |= uint64_t{1} << 61;
  if (folio.mappers == 1 && !folio.zero) entry |= uint64_t{1} << 56;
  if (found->soft_dirty) entry |= uint64_t{1} << 55;
  if (frames_visible) entry |= folio.head + found->index;
  return entry;
}

}  // namespace pageferry::kernel
