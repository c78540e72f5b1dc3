#include "tests/server/model/invariants.h"

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/model/buffers.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

// What page tables, caches, balloons and holds say of one page.
struct Owners {
  int32_t mappings = 0;
  int32_t references = 0;
  bool lock_held = false;
  bool isolated_by_hold = false;
};

class Books {
 public:
  explicit Books(World* world) : world_(*world), machine_(world->machine()) {}

  std::vector<std::string> Check() {
    world_.faults().ForEachHold([&](const PageHold& hold) { Note(hold); });
    for (const auto& [pid, process] : world_.processes()) {
      process->space().ForEachVma([&](Vma& vma) { CountVma(vma); });
    }
    machine_.memory.ForEachUsedFrame([&](Page& page) {
      ++used_[page.node];
      CheckFrame(page);
    });
    for (const auto& [page, owners] : owners_) {
      if (owners.mappings > 0 && page->references() == 0) {
        Complain(*page, "is mapped and free");
      }
    }
    for (core::NodeId node : world_.memory_nodes()) CheckNode(node);
    return std::move(broken_);
  }

 private:
  void Complain(const Page& page, absl::string_view what) {
    broken_.push_back(absl::StrCat("frame ", page.pfn.value(), " with flags ",
                                   absl::Hex(page.flags.load()), ": ", what));
  }

  void Note(const PageHold& hold) {
    Page* const page = hold.page();
    if (page == nullptr) return;
    Owners& owners = owners_[page];
    if (hold.kind() == PageFaultKind::kLock) owners.lock_held = true;
    if (hold.kind() == PageFaultKind::kIsolate) owners.isolated_by_hold = true;
    if (hold.kind() == PageFaultKind::kPin) ++owners.references;
  }

  void CountVma(Vma& vma) {
    if (vma.kind == VmaKind::kBalloon || vma.kind == VmaKind::kDevice) return;
    ForEachEntry(vma, [&](uint64_t number) { CountEntry(vma, number); });
  }

  void CountEntry(Vma& vma, uint64_t number) {
    const Entry entry = vma.space->page_table().Find(number).Read();
    if (entry.Has(Entry::kMigration) || entry.Has(Entry::kFlushing)) {
      broken_.push_back(
          absl::StrCat("page ", number, ": migration entry left behind"));
    }
    if (entry.in_access()) {
      broken_.push_back(absl::StrCat("page ", number, ": access left behind"));
    }
    if (!entry.maps_page()) return;
    Page& page = machine_.memory.PageOf(entry.pfn());
    ++owners_[&page].mappings;
    ++owners_[&page].references;
    bool found = false;
    rmap_walk(page, [&](Vma& mapper, uint64_t page_number) {
      found = found || (&mapper == &vma && page_number == number);
      return !found;
    });
    if (!found) Complain(page, "is mapped where its reverse map is not");
  }

  void CheckFrame(Page& page) {
    Page* const head = page.head.load();
    if (head != &page) return;  // part of a huge page
    Owners owners = owners_[&page];
    Mapping* const mapping = page_mapping(machine_, page);
    if (mapping != nullptr) {
      const bool cached = page.Has(PageFlag::kSwapCache);
      if (mapping->Holds(cached ? page.swap_slot : page.index, page)) {
        ++owners.references;
      } else {
        Complain(page, "is not in the slot that it says");
      }
    }
    if (page.buffers != nullptr && page.buffers->page() != &page) {
      Complain(page, "has buffers of another page");
    }
    for (PageFlag owner :
         {PageFlag::kPrivate, PageFlag::kBalloon, PageFlag::kIsolated}) {
      if (page.Has(owner)) ++owners.references;
    }
    CheckCounts(page, owners);
    CheckState(page, owners);
  }

  void CheckCounts(const Page& page, const Owners& owners) {
    if (owners.references == 0) Complain(page, "is not free and nobody's");
    if (page.references() != owners.references) {
      Complain(page, absl::StrCat("has ", page.references(), " references, ",
                                  owners.references, " are accounted for"));
    }
    if (page.map_count.load() != owners.mappings) {
      Complain(page, absl::StrCat("has map count ", page.map_count.load(),
                                  " and ", owners.mappings, " mappings"));
    }
  }

  void CheckState(const Page& page, const Owners& owners) {
    if (page.Has(PageFlag::kLocked) != owners.lock_held) {
      Complain(page, owners.lock_held ? "is not locked though it is held"
                                      : "is locked by nobody");
    }
    const bool taken = page.Has(PageFlag::kIsolated) ||
                       page.Has(PageFlag::kBalloon) || owners.isolated_by_hold;
    if (page.Has(PageFlag::kLru) == taken) {
      Complain(page, taken ? "is on a list and taken off it" : "is on no list");
    }
  }

  void CheckNode(core::NodeId node) {
    const FrameArena& arena = *machine_.memory.arena(node);
    if (arena.free_pages() + used_[node] != arena.capacity_pages()) {
      broken_.push_back(absl::StrCat(
          "node ", node.value(), ": ", arena.free_pages(), " free and ",
          used_[node], " used of ", arena.capacity_pages(), " frames"));
    }
  }

  World& world_;
  Machine& machine_;
  absl::flat_hash_map<const Page*, Owners> owners_;
  std::map<core::NodeId, uint64_t> used_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> BrokenInvariants(World& world) {
  return Books(&world).Check();
}

std::vector<std::string> BrokenInvariantsAtRest(World& world) {
  std::vector<std::string> broken = BrokenInvariants(world);
  world.faults().ForEachHold([&](const PageHold& hold) {
    broken.push_back(absl::StrCat("a hold of kind ",
                                  static_cast<int>(hold.kind()), " goes on"));
  });
  world.machine().memory.ForEachUsedFrame([&](Page& page) {
    if (page.Has(PageFlag::kIsolated)) {
      broken.push_back(
          absl::StrCat("frame ", page.pfn.value(), ": is isolated"));
    }
  });
  return broken;
}

}  // namespace pageferry::model
