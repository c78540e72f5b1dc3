#include "server/service/page_fields.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "server/core/limits.h"

namespace pageferry::service {
namespace {

using Ranges = google::protobuf::RepeatedPtrField<v1::PageRange>;
using Addresses = google::protobuf::RepeatedField<uint64_t>;

// Pages of an address space of 2^64 bytes.
constexpr uint64_t kAddressSpacePages = uint64_t{1} << (64 - core::kPageShift);

bool Contains(absl::Span<const core::NodeId> nodes, core::NodeId node) {
  return std::find(nodes.begin(), nodes.end(), node) != nodes.end();
}

// Checks that `node` is a valid destination.
bool CheckNode(int32_t node, const std::string& field,
               absl::Span<const core::NodeId> memory_nodes,
               Violations* violations) {
  if (Contains(memory_nodes, core::NodeId(node))) return true;
  violations->Add(field, absl::StrCat("is ", node,
                                      ", which is no online node with memory; "
                                      "those are: ",
                                      NodeNames(memory_nodes)));
  return false;
}

// The placement of a batch. Incomplete where something is wrong with it.
core::Placement ReadPlacement(const v1::PageBatch& batch,
                              const std::string& path,
                              absl::Span<const core::NodeId> memory_nodes,
                              Violations* violations) {
  core::Placement placement;
  if (!batch.has_destination_node()) {
    violations->Add(
        absl::StrCat(path, ".destination_node"),
        absl::StrCat("is missing; name one of: ", NodeNames(memory_nodes)));
  } else if (CheckNode(batch.destination_node(),
                       absl::StrCat(path, ".destination_node"), memory_nodes,
                       violations)) {
    placement.nodes.push_back(core::NodeId(batch.destination_node()));
  }
  const std::vector<core::NodeId> fallback_nodes = ReadFallbackNodes(
      batch.fallback_nodes(), absl::StrCat(path, ".fallback_nodes"),
      memory_nodes, placement.nodes, "is the destination", violations);
  placement.nodes.insert(placement.nodes.end(), fallback_nodes.begin(),
                         fallback_nodes.end());
  return placement;
}

void ReadRange(const v1::PageRange& range, const std::string& path,
               core::PageList::Builder* builder, Violations* violations) {
  const core::VirtualAddress start(range.start_address());
  if (range.page_count() == 0) {
    violations->Add(absl::StrCat(path, ".page_count"),
                    "is 0; must be at least 1");
  } else if (range.page_count() > kAddressSpacePages - start.page_number()) {
    violations->Add(
        absl::StrCat(path, ".page_count"),
        absl::StrFormat("is %d, which passes the end of the address space; "
                        "at most %d from address 0x%x",
                        range.page_count(),
                        kAddressSpacePages - start.page_number(),
                        start.value()));
  } else {
    builder->AddRange(start, range.page_count());
  }
}

void ReadEntry(const Ranges& ranges, const Addresses& addresses,
               absl::string_view prefix, core::PageList::Builder* builder,
               Violations* violations) {
  for (int i = 0; i < ranges.size() && !violations->full(); ++i) {
    ReadRange(ranges[i], absl::StrCat(prefix, "ranges[", i, "]"), builder,
              violations);
  }
  for (const uint64_t address : addresses) {
    builder->AddAddress(core::VirtualAddress(address));
  }
}

void CheckRangeCount(size_t ranges, absl::string_view field,
                     Violations* violations) {
  if (ranges <= core::kMaxRequestRanges) return;
  violations->Add(std::string(field),
                  absl::StrCat("has ", ranges, " ranges; at most ",
                               core::kMaxRequestRanges, " a request"));
}

void CheckPageCount(uint64_t pages, absl::string_view field,
                    Violations* violations) {
  if (pages <= core::kMaxRequestPages) return;
  violations->Add(std::string(field),
                  absl::StrCat("names ", pages, " distinct pages; at most ",
                               core::kMaxRequestPages, " a request"));
}

// Builds the list unless something is wrong already.
core::PageList BuildBatches(core::PageList::Builder builder,
                            Violations* violations) {
  if (!violations->empty()) return core::PageList();
  absl::optional<core::PlacementConflict> conflict;
  core::PageList pages = std::move(builder).Build(&conflict);
  if (conflict.has_value()) {
    violations->Add(
        absl::StrCat("batches[", conflict->second_entry, "]"),
        absl::StrFormat("names the page at 0x%x, which batches[%d] sends to "
                        "another destination or with other fallback nodes; "
                        "name it in one of them",
                        conflict->address.value(), conflict->first_entry));
  }
  CheckPageCount(pages.page_count(), "batches", violations);
  return pages;
}

}  // namespace

std::string NodeNames(absl::Span<const core::NodeId> nodes) {
  if (nodes.empty()) return "none";
  return absl::StrJoin(nodes, ", ", [](std::string* out, core::NodeId node) {
    absl::StrAppend(out, node.value());
  });
}

std::vector<core::NodeId> ReadNodeSet(
    const google::protobuf::RepeatedField<int32_t>& nodes,
    const std::string& field, absl::Span<const core::NodeId> memory_nodes,
    Violations* violations) {
  std::vector<core::NodeId> set;
  if (nodes.empty()) {
    violations->Add(field, absl::StrCat("is empty; name at least one of: ",
                                        NodeNames(memory_nodes)));
  }
  for (int i = 0; i < nodes.size() && !violations->full(); ++i) {
    const core::NodeId node(nodes[i]);
    if (CheckNode(nodes[i], absl::StrCat(field, "[", i, "]"), memory_nodes,
                  violations) &&
        !Contains(set, node)) {
      set.push_back(node);
    }
  }
  return set;
}

std::vector<core::NodeId> ReadFallbackNodes(
    const google::protobuf::RepeatedField<int32_t>& nodes,
    const std::string& field, absl::Span<const core::NodeId> memory_nodes,
    absl::Span<const core::NodeId> taken, const std::string& taken_by,
    Violations* violations) {
  std::vector<core::NodeId> fallback;
  if (nodes.size() > static_cast<int>(core::kMaxFallbackNodes)) {
    violations->Add(field,
                    absl::StrCat("has ", nodes.size(), " nodes; at most ",
                                 core::kMaxFallbackNodes));
    return fallback;
  }
  for (int i = 0; i < nodes.size(); ++i) {
    const core::NodeId node(nodes[i]);
    const std::string path = absl::StrCat(field, "[", i, "]");
    if (!CheckNode(nodes[i], path, memory_nodes, violations)) continue;
    if (Contains(taken, node)) {
      violations->Add(path, absl::StrCat("is ", nodes[i], ", which ", taken_by,
                                         "; name another node"));
    } else if (Contains(fallback, node)) {
      violations->Add(path, absl::StrCat("is ", nodes[i],
                                         ", which is named before; name each "
                                         "node once"));
    } else {
      fallback.push_back(node);
    }
  }
  return fallback;
}

core::PageList ReadBatches(
    const google::protobuf::RepeatedPtrField<v1::PageBatch>& batches,
    absl::Span<const core::NodeId> memory_nodes, Violations* violations) {
  if (batches.empty()) {
    violations->Add("batches", "is empty; name at least one batch of pages");
    return core::PageList();
  }
  if (batches.size() > static_cast<int>(core::kMaxRequestBatches)) {
    violations->Add("batches",
                    absl::StrCat("has ", batches.size(), " batches; at most ",
                                 core::kMaxRequestBatches));
    return core::PageList();
  }
  core::PageList::Builder builder;
  size_t ranges = 0;
  for (int i = 0; i < batches.size() && !violations->full(); ++i) {
    const v1::PageBatch& batch = batches[i];
    const std::string path = absl::StrCat("batches[", i, "]");
    builder.StartEntry(ReadPlacement(batch, path, memory_nodes, violations));
    if (batch.ranges().empty() && batch.addresses().empty()) {
      violations->Add(path, "has no pages; name at least one range or address");
    }
    ReadEntry(batch.ranges(), batch.addresses(), absl::StrCat(path, "."),
              &builder, violations);
    ranges += batch.ranges_size();
  }
  CheckRangeCount(ranges, "batches", violations);
  return BuildBatches(std::move(builder), violations);
}

core::PageList ReadPages(const Ranges& ranges, const Addresses& addresses,
                         Violations* violations) {
  CheckRangeCount(ranges.size(), "ranges", violations);
  core::PageList::Builder builder;
  builder.StartEntry(core::Placement());
  ReadEntry(ranges, addresses, "", &builder, violations);
  absl::optional<core::PlacementConflict> conflict;
  core::PageList pages = std::move(builder).Build(&conflict);
  CheckPageCount(pages.page_count(), "ranges", violations);
  return pages;
}

}  // namespace pageferry::service
