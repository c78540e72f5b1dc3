#include "tests/server/kernel/fake_memory.h"

#include "absl/strings/str_cat.h"

namespace pageferry::kernel {
namespace {

constexpr int kFramesPerNodeShift = 24;

uint64_t Bit(int bit, bool condition) {
  return condition ? uint64_t{1} << bit : 0;
}

}  // namespace

void FakeMemory::AddNode(int node, uint64_t free_pages,
                         uint64_t low_watermark_pages) {
  nodes_[node] = {free_pages, low_watermark_pages,
                  static_cast<uint64_t>(node + 1) << kFramesPerNodeShift};
}

uint64_t FakeMemory::TakeFrames(int node, uint32_t pages) {
  uint64_t& next = nodes_.at(node).next_frame;
  const uint64_t head = (next + pages - 1) / pages * pages;
  next = head + pages;
  return head;
}

FakeFolio* FakeMemory::Place(int node, uint32_t pages) {
  folios_.push_back(std::make_unique<FakeFolio>());
  FakeFolio* folio = folios_.back().get();
  folio->node = node;
  folio->pages = pages;
  folio->head = TakeFrames(node, pages);
  by_head_[folio->head] = folio;
  return folio;
}

std::vector<FakeFolio*> FakeMemory::Split(FakeFolio* folio) {
  std::vector<FakeFolio*> parts = {folio};
  for (uint32_t i = 1; i < folio->pages; ++i) {
    folios_.push_back(std::make_unique<FakeFolio>(*folio));
    FakeFolio* part = folios_.back().get();
    part->head = folio->head + i;
    part->pages = 1;
    by_head_[part->head] = part;
    parts.push_back(part);
  }
  folio->pages = 1;
  return parts;
}

Migrated FakeMemory::Migrate(FakeFolio* folio, int node) {
  Node& destination = nodes_.at(node);
  if (destination.free_pages < folio->pages) return Migrated::kNoMemory;
  if (destination.free_pages - folio->pages < destination.low_watermark_pages) {
    ++reclaims;
  }
  const bool write_out = folio->dirty && folio->writes_out;
  if (folio->locked || folio->writeback || write_out) ++waits;
  if (write_out) folio->dirty = false;
  folio->locked = false;
  folio->writeback = false;
  if (folio->pinned) return Migrated::kFailed;
  by_head_.erase(folio->head);
  const auto source = nodes_.find(folio->node);
  if (source != nodes_.end()) source->second.free_pages += folio->pages;
  destination.free_pages -= folio->pages;
  folio->node = node;
  folio->head = TakeFrames(node, folio->pages);
  by_head_[folio->head] = folio;
  return Migrated::kMoved;
}

FakeFolio* FakeMemory::FolioAt(uint64_t frame) const {
  auto after = by_head_.upper_bound(frame);
  if (after == by_head_.begin()) return nullptr;
  FakeFolio* folio = std::prev(after)->second;
  return frame < folio->head + folio->pages ? folio : nullptr;
}

uint64_t FakeMemory::FlagsOf(uint64_t frame) const {
  const FakeFolio* folio = FolioAt(frame);
  if (folio == nullptr) return 0;
  const bool large = folio->pages > 1;
  const bool tail = frame != folio->head;
  const bool told = !tail || !bare_tails;
  return Bit(0, folio->locked && told) | Bit(4, folio->dirty && told) |
         Bit(5, folio->lru == Lru::kOnList && !folio->hugetlb) |
         Bit(8, folio->writeback && told) | Bit(12, folio->anonymous) |
         Bit(14, folio->anonymous) | Bit(15, large && !tail) |
         Bit(16, large && tail) | Bit(17, folio->hugetlb) |
         Bit(21, folio->ksm) | Bit(22, large && !folio->hugetlb) |
         Bit(24, folio->zero) | Bit(33, folio->mlocked);
}

uint64_t FakeMemory::MapCountOf(uint64_t frame) const {
  const FakeFolio* folio = FolioAt(frame);
  return folio == nullptr ? 0 : static_cast<uint64_t>(folio->mappers);
}

std::string FakeMemory::ZoneInfo() const {
  std::string text;
  for (const auto& [id, node] : nodes_) {
    const uint64_t low = node.low_watermark_pages / 3;
    const uint64_t free = node.free_pages / 4;
    absl::StrAppend(&text, "Node ", id, ", zone    DMA32\n",
                    "  per-node stats\n      nr_inactive_anon 7\n",
                    "  pages free     ", free, "\n        boost    0\n",
                    "        min      1\n        low      ", low,
                    "\n        high     9\n        spanned  1\n",
                    "  pagesets\n    cpu: 0\n              count: 1\n",
                    "              high:  63\n");
    absl::StrAppend(&text, "Node ", id, ", zone   Normal\n",
                    "  pages free     ", node.free_pages - free,
                    "\n        min      1\n        low      ",
                    node.low_watermark_pages - low, "\n");
  }
  return text;
}

}  // namespace pageferry::kernel
