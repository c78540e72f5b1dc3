// Reads the page ranges, addresses and nodes of a request.

#ifndef PAGEFERRY_SERVER_SERVICE_PAGE_FIELDS_H_
#define PAGEFERRY_SERVER_SERVICE_PAGE_FIELDS_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "pageferry/v1/migration.pb.h"
#include "server/core/page_list.h"
#include "server/core/types.h"
#include "server/service/violations.h"

namespace pageferry::service {

// Reads the batches of a request. `memory_nodes` are the valid destinations.
// Notes in `violations` what is wrong; then the list is not to be used. O(n log
// n) in the entries, whatever the number of pages.
core::PageList ReadBatches(
    const google::protobuf::RepeatedPtrField<v1::PageBatch>& batches,
    absl::Span<const core::NodeId> memory_nodes, Violations* violations);

// Reads a required set of nodes with memory; a node may be named twice. Notes
// in `violations` what is wrong.
std::vector<core::NodeId> ReadNodeSet(
    const google::protobuf::RepeatedField<int32_t>& nodes,
    const std::string& field, absl::Span<const core::NodeId> memory_nodes,
    Violations* violations);

// Reads fallback nodes: nodes with memory in the order in which they are tried,
// each once, and none of `taken`, which `taken_by` names.
std::vector<core::NodeId> ReadFallbackNodes(
    const google::protobuf::RepeatedField<int32_t>& nodes,
    const std::string& field, absl::Span<const core::NodeId> memory_nodes,
    absl::Span<const core::NodeId> taken, const std::string& taken_by,
    Violations* violations);

// Reads a list of pages that has no destination.
core::PageList ReadPages(
    const google::protobuf::RepeatedPtrField<v1::PageRange>& ranges,
    const google::protobuf::RepeatedField<uint64_t>& addresses,
    Violations* violations);

// "0, 1, 3"; "none".
std::string NodeNames(absl::Span<const core::NodeId> nodes);

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_PAGE_FIELDS_H_
