#include "server/model/populate.h"

#include <initializer_list>

#include "server/model/balloon.h"
#include "server/model/page_table.h"

namespace pageferry::model {
namespace {

constexpr uint64_t kWordsPerPage = core::kPageBytes / sizeof(uint64_t);

void Fill(uint8_t* frame, uint32_t pages, uint64_t content) {
  for (uint64_t word = 0; word < pages * kWordsPerPage; ++word) {
    StoreWord(frame, word * sizeof(uint64_t), ContentWord(content, word));
  }
}

void SetFlags(Page& page, std::initializer_list<PageFlag> flags) {
  for (PageFlag flag : flags) page.Set(flag);
}

// Maps a page, writable where the VMA lets this page be written in place.
void MapPage(Vma& vma, uint64_t page_number, Page& page, bool may_write) {
  LockedEntry entry(vma.space->page_table(), page_number,
                    LockedEntry::kCreateMissing);
  uint64_t bits = 0;
  if (vma.readable.load()) bits |= Entry::kAccessible;
  if (may_write && vma.writable.load()) bits |= Entry::kWrite;
  page_add_rmap(page);
  entry.Set(Entry::Present(page.pfn, bits));
}

}  // namespace

uint64_t ContentWord(uint64_t content, uint64_t word) {
  uint64_t mixed = (content + 1) * 0x9E3779B97F4A7C15 + word;
  mixed = (mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9;
  return (mixed ^ (mixed >> 27)) | 1;
}

Page* PopulateAnonymous(Vma& vma, uint64_t page_number, uint32_t pages,
                        core::NodeId node, uint64_t content) {
  Machine& machine = vma.space->machine();
  Page* const page = machine.memory.Allocate(node, pages);
  if (page == nullptr) return nullptr;
  Fill(page->frame, pages, content);
  page->mapping = vma.anon_vma;
  page->index = vma.IndexOf(page_number);
  SetFlags(*page, {PageFlag::kAnon, PageFlag::kSwapBacked, PageFlag::kUptodate,
                   PageFlag::kDirty, PageFlag::kLru});
  if (vma.mlocked)
    SetFlags(*page, {PageFlag::kMlocked, PageFlag::kUnevictable});
  if (pages > 1) {
    page->Set(vma.kind == VmaKind::kHugetlb ? PageFlag::kHugetlb
                                            : PageFlag::kThp);
    // Not empty, so that the slot found below is the huge one.
    vma.space->page_table().PmdOf(page_number).huge.store(Entry::kMigration);
  }
  MapPage(vma, page_number, *page, true);
  machine.memory.Put(*page);
  return page;
}

Page* PopulateFile(Machine& machine, const std::shared_ptr<Mapping>& file,
                   uint64_t index, core::NodeId node, uint64_t content) {
  Page* const page = machine.memory.Allocate(node, 1);
  if (page == nullptr) return nullptr;
  Fill(page->frame, 1, content);
  page->mapping = file;
  page->index = index;
  SetFlags(*page, {PageFlag::kUptodate, PageFlag::kLru});
  file->Insert(index, *page);
  machine.memory.Put(*page);
  return page;
}

Page* PopulateKsm(Machine& machine, core::NodeId node, uint64_t content) {
  Page* const page = machine.memory.Allocate(node, 1);
  if (page == nullptr) return nullptr;
  Fill(page->frame, 1, content);
  page->mapping = std::make_shared<StableNode>();
  SetFlags(*page, {PageFlag::kAnon, PageFlag::kKsm, PageFlag::kSwapBacked,
                   PageFlag::kUptodate, PageFlag::kDirty, PageFlag::kLru});
  return page;
}

void MapKsm(Vma& vma, uint64_t page_number, Page& page) {
  const auto node = std::static_pointer_cast<StableNode>(page.mapping);
  node->Add(&vma, page_number);
  vma.stable_nodes.push_back(node);
  const bool first = !page.mapped();
  MapPage(vma, page_number, page, false);
  // The reference with which it was made goes to the first mapping.
  if (first) vma.space->machine().memory.Put(page);
}

Page* PopulateBalloon(Machine& machine, const std::shared_ptr<Balloon>& balloon,
                      uint64_t index, core::NodeId node) {
  Page* const page = machine.memory.Allocate(node, 1);
  if (page == nullptr) return nullptr;
  page->mapping = balloon;
  balloon->Inflate(index, *page);
  return page;
}

bool MapCached(Vma& vma, uint64_t page_number) {
  Page* const page = vma.file->GetPage(vma.IndexOf(page_number));
  if (page == nullptr) return false;
  MapPage(vma, page_number, *page, vma.shared);
  if (vma.mlocked)
    SetFlags(*page, {PageFlag::kMlocked, PageFlag::kUnevictable});
  vma.space->machine().memory.Put(*page);
  return true;
}

void MapZeroPage(Vma& vma, uint64_t page_number) {
  LockedEntry entry(vma.space->page_table(), page_number,
                    LockedEntry::kCreateMissing);
  entry.Set(Entry(Entry::kPresent | Entry::kZeroPage | Entry::kAccessible));
}

void PopulateSwapped(Vma& vma, uint64_t page_number, uint64_t content) {
  auto words = std::make_unique<uint64_t[]>(kWordsPerPage);
  uint8_t* const frame = reinterpret_cast<uint8_t*>(words.get());
  Fill(frame, 1, content);
  LockedEntry entry(vma.space->page_table(), page_number,
                    LockedEntry::kCreateMissing);
  entry.Set(Entry::Swap(vma.space->machine().swap.WriteOut(frame), 0));
}

}  // namespace pageferry::model
