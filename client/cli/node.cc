#include "client/cli/node.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "client/cli/exit_code.h"
#include "client/cli/output.h"
#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

// A probe that hangs tells nothing. For when --timeout does not say.
constexpr absl::Duration kHealthTimeout = absl::Seconds(5);

// "90/120": reading and writing; "-" where not known.
std::string PairText(bool has_read, uint32_t read, bool has_write,
                     uint32_t write) {
  if (!has_read && !has_write) return "-";
  return absl::StrCat(has_read ? absl::StrCat(read) : "-", "/",
                      has_write ? absl::StrCat(write) : "-");
}

void AddNode(const v1::NodeInfo& node, Table* table) {
  const v1::NodePerformance& speed = node.performance();
  const std::string distances = absl::StrJoin(
      node.distances(), " ", [](std::string* out, const auto& distance) {
        absl::StrAppend(out, distance.to_node(), ":", distance.distance());
      });
  const bool memory = node.has_memory();
  table->AddRow(
      {absl::StrCat(node.node()), node.has_cpu() ? "yes" : "no",
       node.has_tier() ? absl::StrCat(node.tier()) : "-",
       memory ? BytesText(node.memory_usage().total_bytes()) : "-",
       memory ? BytesText(node.memory_usage().free_bytes()) : "-",
       PairText(speed.has_read_latency_ns(), speed.read_latency_ns(),
                speed.has_write_latency_ns(), speed.write_latency_ns()),
       PairText(speed.has_read_bandwidth_mbps(), speed.read_bandwidth_mbps(),
                speed.has_write_bandwidth_mbps(), speed.write_bandwidth_mbps()),
       NodesText(node.demotion_order()), distances});
}

void PrintModes(const v1::GetCapabilitiesResponse& response,
                std::ostream& out) {
  Table table({"MODE", "FIDELITIES"});
  for (const v1::ModeCapability& mode : response.modes()) {
    std::vector<std::string> fidelities;
    for (const int fidelity : mode.fidelities()) {
      fidelities.push_back(Word(static_cast<v1::ModeFidelity>(fidelity)));
    }
    table.AddRow({Word(mode.mode()), absl::StrJoin(fidelities, " ")});
  }
  table.Print(out);
}

void PrintPrivileges(const v1::GetCapabilitiesResponse& response,
                     std::ostream& out) {
  Table table({"PRIVILEGE", "HELD", "WITHOUT IT"});
  for (const v1::Privilege& privilege : response.privileges()) {
    table.AddRow({privilege.name(), privilege.present() ? "yes" : "NO",
                  privilege.cost_of_lack()});
  }
  table.Print(out);
}

std::string LimitText(uint64_t value) {
  return value == 0 ? "none" : absl::StrCat(value);
}

void PrintLimits(const v1::Limits& limits, std::ostream& out) {
  Table table({"LIMIT", ">VALUE"});
  table.AddRow({"request bytes", absl::StrCat(limits.request_bytes())});
  table.AddRow({"pages a request", absl::StrCat(limits.pages_per_request())});
  table.AddRow({"ranges a request", absl::StrCat(limits.ranges_per_request())});
  table.AddRow(
      {"batches a request", absl::StrCat(limits.batches_per_request())});
  table.AddRow({"fallback nodes", absl::StrCat(limits.fallback_nodes())});
  table.AddRow(
      {"request id characters", absl::StrCat(limits.request_id_characters())});
  table.AddRow({"cgroup path characters",
                absl::StrCat(limits.cgroup_path_characters())});
  table.AddRow({"passes", absl::StrCat(limits.max_passes())});
  table.AddRow(
      {"migrations running", absl::StrCat(limits.migrations_in_flight())});
  table.AddRow(
      {"migrations waiting", absl::StrCat(limits.migrations_queued())});
  table.AddRow(
      {"queue of a stream, bytes", absl::StrCat(limits.stream_queue_bytes())});
  table.AddRow({"wait for a slow reader",
                DurationText(ToDuration(limits.stream_stall_timeout()))});
  table.AddRow({"bytes a second", LimitText(limits.bytes_per_second())});
  table.Print(out);
}

void PrintCapabilities(const v1::GetCapabilitiesResponse& response,
                       std::ostream& out) {
  std::vector<std::string> states;
  for (const int state : response.visible_page_states()) {
    states.push_back(Word(static_cast<v1::PageState>(state)));
  }
  out << "backend " << response.backend() << ", version " << response.version()
      << ", kernel " << response.kernel_release() << "\n"
      << (response.ready()
              ? "ready"
              : absl::StrCat("NOT READY: ", response.not_ready_reason()))
      << "\nNUMA balancing " << (response.numa_balancing() ? "on" : "off")
      << "\npage states seen: "
      << (states.empty() ? "none" : absl::StrJoin(states, " ")) << "\n\n";
  PrintModes(response, out);
  out << "\n";
  PrintPrivileges(response, out);
  out << "\n";
  PrintLimits(response.limits(), out);
}

absl::string_view ServingText(ServingStatus status) {
  switch (status) {
    case ServingStatus::kServing:
      return "SERVING";
    case ServingStatus::kNotServing:
      return "NOT_SERVING";
    case ServingStatus::kUnknown:
      break;
  }
  return "UNKNOWN";
}

}  // namespace

int ShowTopology(Session& session) {
  const absl::StatusOr<v1::GetTopologyResponse> response =
      session.client.GetTopology(session.call);
  if (!response.ok()) return session.Fail(response.status());
  Table table({">NODE", "CPU", ">TIER", ">TOTAL", ">FREE", ">LATENCY-NS",
               ">BANDWIDTH-MB/S", "DEMOTES-TO", "DISTANCES"});
  for (const v1::NodeInfo& node : response->nodes()) {
    if (session.json) {
      PrintJson(node, session.console.out);
    } else {
      AddNode(node, &table);
    }
  }
  if (!session.json) table.Print(session.console.out);
  return kExitOk;
}

int ShowCapabilities(Session& session) {
  const absl::StatusOr<v1::GetCapabilitiesResponse> response =
      session.client.GetCapabilities(session.call);
  if (!response.ok()) return session.Fail(response.status());
  if (session.json) {
    PrintJson(*response, session.console.out);
  } else {
    PrintCapabilities(*response, session.console.out);
  }
  return kExitOk;
}

int CheckHealth(const HealthArguments& arguments, Session& session) {
  CallOptions call = session.call;
  if (call.deadline == absl::InfiniteFuture()) {
    call.deadline = absl::Now() + kHealthTimeout;
  }
  const absl::StatusOr<ServingStatus> status =
      session.client.CheckHealth(arguments.service, call);
  if (!status.ok()) {
    session.Fail(status.status());
    return kExitNotServing;
  }
  if (session.json) {
    session.console.out << "{\"status\":\"" << ServingText(*status) << "\"}\n";
  } else {
    session.console.out << arguments.service << ": " << ServingText(*status)
                        << "\n";
  }
  return *status == ServingStatus::kServing ? kExitOk : kExitNotServing;
}

}  // namespace pageferry::client::cli
