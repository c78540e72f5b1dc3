// What makes no sense in a scenario.

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/str_cat.h"
#include "server/core/types.h"
#include "server/model/page_table.h"
#include "server/model/scenario.h"

namespace pageferry::model {
namespace {

constexpr int32_t kMaxNodeId = 1023;
constexpr uint64_t kMaxNodePages = uint64_t{1} << 22;
constexpr uint32_t kMaxThreadsOfRegion = 64;
constexpr uint32_t kMaxThreads = 256;
constexpr uint32_t kPerMille = 1000;

std::string Indexed(absl::string_view path, absl::string_view field,
                    int index) {
  return absl::StrCat(path, path.empty() ? "" : ".", field, "[", index, "]");
}

class Checker {
 public:
  explicit Checker(const v1::Scenario& scenario) : scenario_(scenario) {}

  std::vector<Complaint> Check() && {
    CheckNodes();
    for (int i = 0; i < scenario_.files_size(); ++i) {
      const v1::File& file = scenario_.files(i);
      CheckSource(Indexed("", "files", i), file.name(), file.pages(),
                  file.placements(), &files_);
      Require(!file.private_data() ||
                  file.migrate() == v1::MIGRATE_OPERATION_BUFFER ||
                  file.migrate() == v1::MIGRATE_OPERATION_NONE,
              Indexed("", "files", i), "private_data",
              "needs migrate: MIGRATE_OPERATION_BUFFER or _NONE; other "
              "operations would lose it");
    }
    for (int i = 0; i < scenario_.balloons_size(); ++i) {
      const v1::Balloon& balloon = scenario_.balloons(i);
      CheckSource(Indexed("", "balloons", i), balloon.name(), balloon.pages(),
                  balloon.placements(), &balloons_);
    }
    if (scenario_.processes().empty()) Complain("processes", "is required");
    for (int i = 0; i < scenario_.processes_size(); ++i) {
      CheckProcess(Indexed("", "processes", i), scenario_.processes(i));
    }
    CheckEvents();
    return std::move(complaints_);
  }

 private:
  void Complain(std::string path, std::string what) {
    complaints_.emplace_back(std::move(path), std::move(what));
  }

  void Require(bool holds, absl::string_view path, absl::string_view field,
               std::string what) {
    if (!holds) {
      Complain(absl::StrCat(path, path.empty() ? "" : ".", field),
               std::move(what));
    }
  }

  void CheckNodes() {
    if (scenario_.nodes().empty()) Complain("nodes", "is required");
    std::set<int32_t> ids;
    for (int i = 0; i < scenario_.nodes_size(); ++i) {
      const v1::Node& node = scenario_.nodes(i);
      const std::string path = Indexed("", "nodes", i);
      Require(node.id() >= 0 && node.id() <= kMaxNodeId, path, "id",
              absl::StrCat(node.id(), " is not from 0 to ", kMaxNodeId));
      Require(ids.insert(node.id()).second, path, "id",
              absl::StrCat("node ", node.id(), " is there already"));
      Require(node.capacity_pages() <= kMaxNodePages, path, "capacity_pages",
              absl::StrCat("is over ", kMaxNodePages));
      Require(node.distances().empty() ||
                  node.distances_size() == scenario_.nodes_size(),
              path, Indexed("", "distances", 0),
              absl::StrCat("there must be one for each of the ",
                           scenario_.nodes_size(), " nodes"));
      if (node.capacity_pages() > 0) memory_nodes_.insert(node.id());
    }
  }

  void CheckMemoryNode(const std::string& path, int32_t node) {
    if (memory_nodes_.count(node) == 0) {
      Complain(path, absl::StrCat("there is no node ", node, " with memory"));
    }
  }

  template <typename Nodes>
  void CheckMemoryNodes(const std::string& path, const Nodes& nodes) {
    for (int i = 0; i < nodes.size(); ++i) {
      CheckMemoryNode(Indexed(path, "allowed_nodes", i), nodes[i]);
    }
  }

  template <typename Placements>
  void CheckPlacements(const std::string& path, const Placements& placements) {
    Require(!placements.empty(), path, "placements", "is required");
    for (int i = 0; i < placements.size(); ++i) {
      CheckMemoryNode(absl::StrCat(Indexed(path, "placements", i), ".node"),
                      placements[i].node());
    }
  }

  template <typename Placements>
  void CheckSource(const std::string& path, const std::string& name,
                   uint64_t pages, const Placements& placements,
                   std::map<std::string, uint64_t>* sources) {
    Require(!name.empty(), path, "name", "is required");
    Require(sources->emplace(name, pages).second, path, "name",
            absl::StrCat("'", name, "' is there already"));
    Require(pages > 0, path, "pages", "must be positive");
    CheckPlacements(path, placements);
  }

  void CheckProcess(const std::string& path, const v1::Process& process) {
    Require(process.pid() > 0, path, "pid", "must be positive");
    if (process.has_fork_of()) {
      Require(
          pids_.count(process.fork_of()) > 0, path, "fork_of",
          absl::StrCat("no process before this has pid ", process.fork_of()));
    }
    Require(pids_.insert(process.pid()).second, path, "pid",
            absl::StrCat("pid ", process.pid(), " is there already"));
    CheckMemoryNodes(path, process.allowed_nodes());
    std::map<uint64_t, uint64_t> taken = process.has_fork_of()
                                             ? taken_pages_[process.fork_of()]
                                             : std::map<uint64_t, uint64_t>();
    for (int i = 0; i < process.regions_size(); ++i) {
      CheckRegion(Indexed(path, "regions", i), process.regions(i), &taken);
    }
    taken_pages_[process.pid()] = std::move(taken);
    for (int i = 0; i < process.threads_size(); ++i) {
      CheckThreads(Indexed(path, "threads", i), process.threads(i),
                   process.regions_size());
    }
  }

  void CheckThreads(const std::string& path, const v1::Threads& threads,
                    int regions) {
    Require(threads.count() > 0 && threads.count() <= kMaxThreadsOfRegion, path,
            "count",
            absl::StrCat(threads.count(), " is not from 1 to ",
                         kMaxThreadsOfRegion));
    Require(threads.region() < static_cast<uint32_t>(regions), path, "region",
            absl::StrCat("there is no region ", threads.region()));
    threads_ += threads.count();
    Require(threads_ <= kMaxThreads, path, "count",
            absl::StrCat("makes more than ", kMaxThreads, " threads in all"));
  }

  void CheckRegion(const std::string& path, const v1::Region& region,
                   std::map<uint64_t, uint64_t>* taken) {
    const bool huge = region.kind() == v1::REGION_KIND_HUGE ||
                      region.kind() == v1::REGION_KIND_HUGETLB;
    const uint64_t unit = huge ? core::kHugePagePages : 1;
    const uint64_t first = region.start_address() / core::kPageBytes;
    Require(region.start_address() % (unit * core::kPageBytes) == 0 &&
                region.start_address() > 0,
            path, "start_address",
            absl::StrCat("must be a positive multiple of ",
                         unit * core::kPageBytes));
    Require(region.pages() > 0 && region.pages() % unit == 0, path, "pages",
            absl::StrCat("must be a positive multiple of ", unit));
    Require(region.pages() <= PageTable::kPages &&
                first <= PageTable::kPages - region.pages(),
            path, "pages", "reaches beyond the address space");
    CheckOverlap(path, first, region.pages(), taken);
    switch (region.kind()) {
      case v1::REGION_KIND_UNSPECIFIED:
      case v1::REGION_KIND_ANONYMOUS:
      case v1::REGION_KIND_HUGE:
      case v1::REGION_KIND_HUGETLB:
      case v1::REGION_KIND_MERGED:
        CheckPlacements(path, region.placements());
        break;
      case v1::REGION_KIND_FILE:
      case v1::REGION_KIND_FILE_PRIVATE:
        CheckPart(path, region, files_, "file");
        break;
      case v1::REGION_KIND_BALLOON:
        CheckPart(path, region, balloons_, "balloon");
        break;
      default:
        break;
    }
  }

  void CheckOverlap(const std::string& path, uint64_t first, uint64_t pages,
                    std::map<uint64_t, uint64_t>* taken) {
    const auto after = taken->lower_bound(first + pages);
    const bool overlaps =
        after != taken->begin() && std::prev(after)->second > first;
    Require(!overlaps, path, "start_address", "overlaps another region");
    (*taken)[first] = first + pages;
  }

  void CheckPart(const std::string& path, const v1::Region& region,
                 const std::map<std::string, uint64_t>& sources,
                 absl::string_view what) {
    const auto found = sources.find(region.source());
    Require(found != sources.end(), path, "source",
            absl::StrCat("there is no ", what, " '", region.source(), "'"));
    if (found == sources.end()) return;
    Require(region.pages() <= found->second &&
                region.source_offset_pages() <= found->second - region.pages(),
            path, "source_offset_pages",
            absl::StrCat("reaches beyond the ", found->second, " pages of '",
                         region.source(), "'"));
  }

  void CheckPid(const std::string& path, int32_t pid) {
    Require(pids_.count(pid) > 0, path, "pid",
            absl::StrCat("there is no process ", pid));
  }

  void CheckEvents() {
    for (int i = 0; i < scenario_.page_faults_size(); ++i) {
      const std::string path = Indexed("", "page_faults", i);
      const v1::PageFault& fault = scenario_.page_faults(i);
      Require(fault.kind() != v1::PAGE_FAULT_KIND_UNSPECIFIED, path, "kind",
              "is required");
      CheckPid(path, fault.pid());
      Require(fault.pages() <= kMaxNodePages, path, "pages",
              absl::StrCat("is over ", kMaxNodePages));
    }
    for (int i = 0; i < scenario_.random_page_faults_size(); ++i) {
      const std::string path = Indexed("", "random_page_faults", i);
      const v1::RandomPageFaults& faults = scenario_.random_page_faults(i);
      Require(!faults.kinds().empty(), path, "kinds", "is required");
      CheckPid(path, faults.pid());
      Require(
          faults.per_mille() > 0 && faults.per_mille() <= kPerMille, path,
          "per_mille",
          absl::StrCat(faults.per_mille(), " is not from 1 to ", kPerMille));
    }
    for (int i = 0; i < scenario_.process_events_size(); ++i) {
      const std::string path = Indexed("", "process_events", i);
      const v1::ProcessEvent& event = scenario_.process_events(i);
      Require(event.kind() != v1::PROCESS_EVENT_KIND_UNSPECIFIED, path, "kind",
              "is required");
      CheckPid(path, event.pid());
      CheckMemoryNodes(path, event.allowed_nodes());
    }
    for (int i = 0; i < scenario_.fill_events_size(); ++i) {
      CheckMemoryNode(absl::StrCat(Indexed("", "fill_events", i), ".node"),
                      scenario_.fill_events(i).node());
    }
  }

  const v1::Scenario& scenario_;
  std::vector<Complaint> complaints_;
  std::set<int32_t> memory_nodes_;
  std::map<std::string, uint64_t> files_;
  std::map<std::string, uint64_t> balloons_;
  std::set<int32_t> pids_;
  // By pid, and each region's first page: one after its last.
  std::map<int32_t, std::map<uint64_t, uint64_t>> taken_pages_;
  uint32_t threads_ = 0;
};

}  // namespace

std::vector<Complaint> CheckScenario(const v1::Scenario& scenario) {
  return Checker(scenario).Check();
}

}  // namespace pageferry::model
