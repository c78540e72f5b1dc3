#include "server/service/conversion.h"

#include <algorithm>
#include <limits>
#include <map>
#include <memory>

#include "server/core/limits.h"
#include "server/core/reasons.h"

namespace pageferry::service {
namespace {

// The numbers agree: the first and the last of each enumeration do, and there
// is none beyond.
static_assert(v1::MigrateMode_MAX == static_cast<int>(core::Mode::kSync));
static_assert(v1::ModeFidelity_MAX == static_cast<int>(core::Fidelity::kModel));
static_assert(v1::PageOutcome_MAX ==
              static_cast<int>(core::Outcome::kWouldMove));
static_assert(v1::PageReason_MAX == static_cast<int>(core::Reason::kAborted));
static_assert(v1::StopReason_MAX ==
              static_cast<int>(core::StopReason::kDraining));
static_assert(v1::MigrationState_MAX ==
              static_cast<int>(core::MigrationState::kEnded));
static_assert(v1::PageState_MAX ==
              static_cast<int>(core::PageState::kHwpoison));

// Calls `append(start address, pages)` for parts of `run` that page_count can
// hold; returns how many there were.
int ForEachPart(core::PageRun run, const auto& append) {
  constexpr uint64_t kMostPages = std::numeric_limits<uint32_t>::max();
  int parts = 0;
  while (run.pages > 0) {
    const uint64_t pages = std::min(run.pages, kMostPages);
    append(run.start.value(), static_cast<uint32_t>(pages));
    run = {run.start.PlusPages(pages), run.pages - pages};
    ++parts;
  }
  return parts;
}

void AppendReasonCounts(
    const core::ReasonPages& pages,
    google::protobuf::RepeatedPtrField<v1::ReasonCount>* out) {
  for (int reason = 0; reason < core::kReasonCount; ++reason) {
    if (pages[reason] == 0) continue;
    v1::ReasonCount* count = out->Add();
    count->set_reason(static_cast<v1::PageReason>(reason));
    count->set_page_count(pages[reason]);
  }
}

void SetMovedTo(const core::MigrationSummary& summary,
                v1::MigrationSummary* out) {
  std::map<core::NodeId, uint64_t> moved_to;
  for (const auto& [nodes, pages] : summary.moved_between) {
    moved_to[nodes.second] += pages;
  }
  for (const auto& [node, pages] : moved_to) {
    v1::NodePages* entry = out->add_moved_to();
    entry->set_node(node.value());
    entry->set_page_count(pages);
  }
}

void AppendStates(const core::PageStateSet& states, auto* out) {
  for (int state = v1::PAGE_STATE_ANONYMOUS; state <= v1::PageState_MAX;
       ++state) {
    if (states.Has(static_cast<core::PageState>(state))) {
      out->Add(state);
    }
  }
}

v1::NodePerformance ToProto(const core::NodePerformance& performance) {
  v1::NodePerformance out;
  if (performance.read_latency_ns) {
    out.set_read_latency_ns(*performance.read_latency_ns);
  }
  if (performance.write_latency_ns) {
    out.set_write_latency_ns(*performance.write_latency_ns);
  }
  if (performance.read_bandwidth_mbps) {
    out.set_read_bandwidth_mbps(*performance.read_bandwidth_mbps);
  }
  if (performance.write_bandwidth_mbps) {
    out.set_write_bandwidth_mbps(*performance.write_bandwidth_mbps);
  }
  return out;
}

v1::NodeInfo ToProto(const core::Node& node) {
  v1::NodeInfo out;
  out.set_node(node.id.value());
  out.set_has_cpu(node.has_cpu);
  out.set_has_memory(node.has_memory);
  if (node.has_memory) {
    v1::NodeMemory* memory = out.mutable_memory_usage();
    memory->set_total_bytes(node.memory.total_bytes);
    memory->set_free_bytes(node.memory.free_bytes);
    memory->set_file_bytes(node.memory.file_bytes);
    memory->set_anonymous_bytes(node.memory.anonymous_bytes);
  }
  if (node.tier) out.set_tier(*node.tier);
  for (const auto& [to_node, distance] : node.distances) {
    v1::NodeDistance* entry = out.add_distances();
    entry->set_to_node(to_node.value());
    entry->set_distance(distance);
  }
  if (node.performance.known()) {
    *out.mutable_performance() = ToProto(node.performance);
  }
  for (const core::NodeId target : node.demotion_order) {
    out.add_demotion_order(target.value());
  }
  return out;
}

}  // namespace

google::protobuf::Duration ToProtoDuration(absl::Duration duration) {
  // The range of google.protobuf.Duration: about 10,000 years.
  constexpr absl::Duration kLongest = absl::Seconds(315'576'000'000);
  duration = std::clamp(duration, -kLongest, kLongest);
  google::protobuf::Duration out;
  out.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  out.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return out;
}

google::protobuf::Timestamp ToProtoTimestamp(absl::Time time) {
  google::protobuf::Timestamp out;
  out.set_seconds(absl::ToUnixSeconds(time));
  out.set_nanos(static_cast<int32_t>(
      absl::ToInt64Nanoseconds(time - absl::FromUnixSeconds(out.seconds()))));
  return out;
}

int AppendPageResults(const core::SettledRun& run, v1::PageResults* results) {
  return ForEachPart(run.run, [&](uint64_t start, uint32_t pages) {
    v1::PageResult* result = results->add_results();
    result->set_start_address(start);
    result->set_page_count(pages);
    result->set_outcome(static_cast<v1::PageOutcome>(run.outcome));
    result->set_reason(static_cast<v1::PageReason>(run.reason));
    if (run.source.known()) result->set_source_node(run.source.value());
    if (run.node.known()) result->set_node(run.node.value());
    result->set_passes(run.passes);
    result->set_folio_pages(run.folio_pages);
    result->set_error_number(core::ErrnoOfReason(run.reason));
  });
}

int AppendPageLocations(const core::LocatedRun& run,
                        v1::LocatePagesResponse* response) {
  return ForEachPart(run.run, [&](uint64_t start, uint32_t pages) {
    v1::PageLocation* location = response->add_locations();
    location->set_start_address(start);
    location->set_page_count(pages);
    location->set_resident(run.resident);
    if (run.node.known()) location->set_node(run.node.value());
    location->set_unlocated_reason(static_cast<v1::PageReason>(run.reason));
    location->set_folio_pages(run.folio_pages);
    AppendStates(run.states, location->mutable_states());
  });
}

v1::ProcessRef ToProto(const core::ProcessId& process) {
  v1::ProcessRef out;
  out.set_pid(process.pid);
  out.set_start_time_ticks(process.start_time_ticks);
  return out;
}

v1::PassCompleted ToProto(const core::PassFigures& pass) {
  v1::PassCompleted out;
  out.set_pass(pass.pass);
  out.set_forced(pass.forced);
  out.set_moved_pages(pass.moved_pages);
  out.set_retry_pages(pass.retry_pages);
  out.set_failed_pages(pass.failed_pages);
  AppendReasonCounts(pass.retry_reasons, out.mutable_retry_reasons());
  return out;
}

v1::MigrationSummary ToProto(const core::MigrationSummary& summary) {
  v1::MigrationSummary out;
  out.set_requested_pages(summary.requested_pages);
  out.set_moved_pages(summary.moved_pages);
  out.set_already_placed_pages(summary.already_placed_pages);
  out.set_failed_pages(summary.failed_pages);
  out.set_not_attempted_pages(summary.not_attempted_pages);
  out.set_would_move_pages(summary.would_move_pages);
  out.set_companion_pages(summary.companion_pages);
  out.set_moved_bytes(summary.moved_bytes());
  out.set_passes(summary.passes);
  out.set_retried_pages(summary.retried_pages);
  core::ReasonPages left = summary.failures;
  for (int i = 0; i < core::kReasonCount; ++i) {
    left[i] += summary.not_attempted[i];
  }
  AppendReasonCounts(left, out.mutable_failures());
  *out.mutable_elapsed() = ToProtoDuration(summary.elapsed);
  *out.mutable_longest_kernel_call() =
      ToProtoDuration(summary.longest_kernel_call);
  out.set_kernel_calls(summary.kernel_calls);
  out.set_stop_reason(static_cast<v1::StopReason>(summary.stop_reason));
  out.set_kernel_fidelity_pages(summary.kernel_fidelity_pages);
  SetMovedTo(summary, &out);
  return out;
}

v1::MigrationInfo ToProto(const core::Migration& migration) {
  v1::MigrationInfo out;
  out.set_migration_id(migration.id());
  out.set_request_id(migration.request().request_id);
  out.set_caller(migration.request().caller);
  const auto description = std::static_pointer_cast<const MigrationDescription>(
      migration.request().description);
  *out.mutable_target() = description->target;
  *out.mutable_options() = description->options;
  *out.mutable_start_time() = ToProtoTimestamp(migration.start_time());
  out.set_state(static_cast<v1::MigrationState>(migration.state()));
  *out.mutable_progress() = ToProto(migration.progress());
  return out;
}

v1::GetTopologyResponse ToProto(const core::Topology& topology) {
  v1::GetTopologyResponse out;
  for (const core::Node& node : topology.nodes) {
    *out.add_nodes() = ToProto(node);
  }
  return out;
}

v1::Limits LimitsInForce(uint64_t bytes_per_second) {
  v1::Limits out;
  out.set_request_bytes(core::kMaxRequestBytes);
  out.set_pages_per_request(core::kMaxRequestPages);
  out.set_ranges_per_request(core::kMaxRequestRanges);
  out.set_batches_per_request(core::kMaxRequestBatches);
  out.set_fallback_nodes(core::kMaxFallbackNodes);
  out.set_request_id_characters(core::kMaxRequestIdCharacters);
  out.set_cgroup_path_characters(core::kMaxCgroupPathCharacters);
  out.set_max_passes(core::kMaxPasses);
  out.set_migrations_in_flight(core::kMaxMigrationsInFlight);
  out.set_migrations_queued(core::kMaxMigrationsQueued);
  out.set_stream_queue_bytes(core::kMaxStreamQueueBytes);
  *out.mutable_stream_stall_timeout() =
      ToProtoDuration(core::kStreamStallTimeout);
  out.set_bytes_per_second(bytes_per_second);
  return out;
}

v1::GetCapabilitiesResponse ToProto(const core::Capabilities& capabilities) {
  v1::GetCapabilitiesResponse out;
  out.set_kernel_release(capabilities.kernel_release);
  out.set_ready(capabilities.ready);
  out.set_not_ready_reason(capabilities.not_ready_reason);
  for (const auto& [mode, fidelities] : capabilities.modes) {
    v1::ModeCapability* entry = out.add_modes();
    entry->set_mode(static_cast<v1::MigrateMode>(mode));
    for (const core::Fidelity fidelity : fidelities) {
      entry->add_fidelities(static_cast<v1::ModeFidelity>(fidelity));
    }
  }
  for (const core::Privilege& privilege : capabilities.privileges) {
    v1::Privilege* entry = out.add_privileges();
    entry->set_name(privilege.name);
    entry->set_present(privilege.present);
    entry->set_cost_of_lack(privilege.cost_of_lack);
  }
  AppendStates(capabilities.visible_page_states,
               out.mutable_visible_page_states());
  out.set_numa_balancing(capabilities.numa_balancing);
  return out;
}

}  // namespace pageferry::service
