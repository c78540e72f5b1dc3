// The processes of a scenario and their memory.

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/model/populate.h"
#include "server/model/world_builder.h"

namespace pageferry::model {
namespace {

using core::kHugePagePages;
using core::kPageBytes;
using core::NodeId;

constexpr uint64_t kTicksPerPid = 100;

VmaKind VmaKindOf(v1::RegionKind kind) {
  switch (kind) {
    case v1::REGION_KIND_FILE:
    case v1::REGION_KIND_FILE_PRIVATE:
      return VmaKind::kFile;
    case v1::REGION_KIND_HUGETLB:
      return VmaKind::kHugetlb;
    case v1::REGION_KIND_DEVICE:
      return VmaKind::kDevice;
    case v1::REGION_KIND_BALLOON:
      return VmaKind::kBalloon;
    default:
      return VmaKind::kAnonymous;
  }
}

}  // namespace

absl::Status WorldBuilder::BuildProcess(const std::string& path,
                                        const v1::Process& process) {
  ModelProcess::Options options;
  options.id.pid = process.pid();
  options.id.start_time_ticks = process.start_time_ticks() != 0
                                    ? process.start_time_ticks()
                                    : process.pid() * kTicksPerPid;
  options.name = process.name();
  options.cgroup = process.cgroup().empty() ? "/" : process.cgroup();
  options.permitted = !process.not_permitted();
  options.movable = !process.not_movable() && process.pid() != 1;
  for (int32_t node : process.allowed_nodes()) {
    options.allowed_nodes.insert(NodeId(node));
  }
  if (options.allowed_nodes.empty()) {
    options.allowed_nodes.insert(world_->memory_nodes_.begin(),
                                 world_->memory_nodes_.end());
  }
  options.allocation_order.assign(options.allowed_nodes.begin(),
                                  options.allowed_nodes.end());
  const auto created =
      std::make_shared<ModelProcess>(&world_->machine_, std::move(options));
  if (process.has_fork_of()) {
    world_->processes_.at(process.fork_of())
        ->space()
        .ForkInto(created->space());
  }
  world_->processes_[process.pid()] = created;
  for (int i = 0; i < process.regions_size(); ++i) {
    const absl::Status status = BuildRegion(
        absl::StrCat(path, ".regions[", i, "]"), process.regions(i), *created);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

std::unique_ptr<Vma> WorldBuilder::MakeVma(const v1::Region& region) const {
  auto vma = std::make_unique<Vma>();
  vma->start_page = region.start_address() / kPageBytes;
  vma->end_page = vma->start_page + region.pages();
  vma->kind = VmaKindOf(region.kind());
  vma->readable = region.protection() != v1::PROTECTION_NONE;
  vma->writable = region.protection() == v1::PROTECTION_UNSPECIFIED ||
                  region.protection() == v1::PROTECTION_READ_WRITE;
  vma->mlocked = region.mlocked();
  vma->temporary_stack = region.temporary_stack();
  vma->page_offset = vma->start_page;
  if (vma->kind == VmaKind::kFile) {
    vma->shared = region.kind() == v1::REGION_KIND_FILE;
    vma->file = world_->files_.at(region.source());
    vma->page_offset = region.source_offset_pages();
  } else if (vma->kind == VmaKind::kBalloon) {
    vma->balloon = world_->balloons_.at(region.source());
    vma->page_offset = region.source_offset_pages();
  }
  return vma;
}

absl::Status WorldBuilder::BuildRegion(const std::string& path,
                                       const v1::Region& region,
                                       ModelProcess& process) {
  std::unique_ptr<Vma> made = MakeVma(region);
  Vma& vma = *made;
  process.space().Map(std::move(made));
  const absl::Status status = Populate(path, region, vma);
  if (!status.ok() || !region.numa_hinted()) return status;
  for (uint64_t page = vma.start_page; page < vma.end_page; ++page) {
    process.space().HideBehindNumaHint(page);
  }
  return absl::OkStatus();
}

absl::Status WorldBuilder::Populate(const std::string& path,
                                    const v1::Region& region, Vma& vma) {
  switch (region.kind()) {
    case v1::REGION_KIND_HUGE:
    case v1::REGION_KIND_HUGETLB:
      return PopulateWithPages(path, region, vma, kHugePagePages);
    case v1::REGION_KIND_MERGED:
      return PopulateMerged(path, region, vma);
    case v1::REGION_KIND_FILE:
    case v1::REGION_KIND_FILE_PRIVATE:
      for (uint64_t page = vma.start_page; page < vma.end_page; ++page) {
        MapCached(vma, page);
      }
      return absl::OkStatus();
    case v1::REGION_KIND_ZERO:
      for (uint64_t page = vma.start_page; page < vma.end_page; ++page) {
        MapZeroPage(vma, page);
      }
      return absl::OkStatus();
    case v1::REGION_KIND_SWAPPED:
      for (uint64_t page = vma.start_page; page < vma.end_page; ++page) {
        PopulateSwapped(vma, page, random_());
      }
      return absl::OkStatus();
    case v1::REGION_KIND_UNTOUCHED:
    case v1::REGION_KIND_DEVICE:
    case v1::REGION_KIND_BALLOON:
      return absl::OkStatus();
    default:
      return PopulateWithPages(path, region, vma, 1);
  }
}

absl::Status WorldBuilder::PopulateWithPages(const std::string& path,
                                             const v1::Region& region, Vma& vma,
                                             uint32_t pages) {
  NodeDraw draw(region.placements(), &random_);
  for (uint64_t number = vma.start_page; number < vma.end_page;
       number += pages) {
    const NodeId node = draw.Next();
    Page* const page = PopulateAnonymous(vma, number, pages, node, random_());
    if (page == nullptr) return NodeFull(path, node);
    if (region.swap_cached() && pages == 1) {
      world_->machine_.swap.AddToCache(*page);
    }
  }
  return absl::OkStatus();
}

absl::Status WorldBuilder::PopulateMerged(const std::string& path,
                                          const v1::Region& region, Vma& vma) {
  NodeDraw draw(region.placements(), &random_);
  for (uint64_t number = vma.start_page; number < vma.end_page; ++number) {
    const NodeId node = draw.Next();
    Page*& page = merged_pages_[number - vma.start_page];
    if (page == nullptr) {
      page = PopulateKsm(world_->machine_, node, random_());
    }
    if (page == nullptr) return NodeFull(path, node);
    MapKsm(vma, number, *page);
  }
  return absl::OkStatus();
}

}  // namespace pageferry::model
