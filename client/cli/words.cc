#include "client/cli/words.h"

#include <cmath>
#include <cstdint>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace pageferry::client::cli {
namespace {

// "PageReason" to "PAGE_REASON_".
std::string PrefixOf(absl::string_view type_name) {
  std::string prefix;
  for (const char letter : type_name) {
    if (absl::ascii_isupper(letter) && !prefix.empty()) prefix += '_';
    prefix += absl::ascii_toupper(letter);
  }
  return prefix + '_';
}

}  // namespace

std::string EnumWord(const google::protobuf::EnumDescriptor& type, int value) {
  const google::protobuf::EnumValueDescriptor* found =
      type.FindValueByNumber(value);
  if (found == nullptr) return absl::StrCat(value);
  const std::string prefix = PrefixOf(type.name());
  return absl::StartsWith(found->name(), prefix)
             ? found->name().substr(prefix.size())
             : found->name();
}

absl::string_view Meaning(v1::PageReason reason) {
  switch (reason) {
    case v1::PAGE_REASON_NOT_PRESENT:
      return "no page there: never touched, or freed";
    case v1::PAGE_REASON_SWAPPED_OUT:
      return "in swap, or being migrated by somebody else";
    case v1::PAGE_REASON_ZERO_PAGE:
      return "untouched memory that was only read";
    case v1::PAGE_REASON_NOT_MAPPED:
      return "the process has no mapping there";
    case v1::PAGE_REASON_NOT_MOVABLE:
      return "memory that the kernel never moves";
    case v1::PAGE_REASON_SHARED:
      return "mapped by other processes too; --shared move moves it";
    case v1::PAGE_REASON_LOCKED:
      return "locked for longer than the mode waits; a sync mode waits longer";
    case v1::PAGE_REASON_WRITEBACK:
      return "being written to storage; --mode sync waits for it";
    case v1::PAGE_REASON_DIRTY:
      return "has to be written out first; --mode sync does it";
    case v1::PAGE_REASON_NUMA_HINT:
      return "behind a NUMA balancing hint that this kernel does not see past";
    case v1::PAGE_REASON_PINNED:
      return "held for direct I/O, RDMA or vmsplice";
    case v1::PAGE_REASON_BUSY:
      return "did not move, the kernel does not say why; try again";
    case v1::PAGE_REASON_NO_MEMORY:
      return "destination full; name others with --fallback";
    case v1::PAGE_REASON_CPUSET:
      return "the process's cpuset does not allow the destination";
    case v1::PAGE_REASON_FOLIO_CONFLICT:
      return "part of a huge page that goes elsewhere";
    case v1::PAGE_REASON_PROCESS_EXITED:
      return "the process exited or ran another program";
    case v1::PAGE_REASON_PERMISSION_LOST:
      return "the daemon lost its right to the process";
    case v1::PAGE_REASON_UNSUPPORTED:
      return "a kind of page that cannot be moved here";
    case v1::PAGE_REASON_IO_ERROR:
      return "could not be written to its storage";
    case v1::PAGE_REASON_INVALID:
      return "not an address of a process";
    case v1::PAGE_REASON_CANCELLED:
      return "cancelled before its turn";
    case v1::PAGE_REASON_TIME_BUDGET:
      return "time budget used up before its turn";
    case v1::PAGE_REASON_DRAINING:
      return "the daemon is shutting down";
    case v1::PAGE_REASON_ABORTED:
      return "not tried: destination full for pages of this size";
    default:
      return "";
  }
}

absl::string_view Advice(v1::ErrorReason reason) {
  switch (reason) {
    case v1::ERROR_REASON_INVALID_REQUEST:
      return "mend what is listed";
    case v1::ERROR_REASON_PROCESS_NOT_FOUND:
    case v1::ERROR_REASON_PROCESS_REPLACED:
      return "look the process up again; pids are the host's";
    case v1::ERROR_REASON_CGROUP_NOT_FOUND:
    case v1::ERROR_REASON_POD_NOT_FOUND:
      return "look the target up again";
    case v1::ERROR_REASON_MIGRATION_NOT_FOUND:
      return "see `pageferry list`; ids of long ended migrations are forgotten";
    case v1::ERROR_REASON_TARGET_NOT_MOVABLE:
    case v1::ERROR_REASON_TARGET_NOT_ALLOWED:
      return "choose another process";
    case v1::ERROR_REASON_NODE_NOT_ALLOWED:
      return "choose another node, or widen the cpuset";
    case v1::ERROR_REASON_ROLE_LACKS_RPC:
    case v1::ERROR_REASON_NO_CREDENTIALS:
      return "ask the operator of pageferryd for the role";
    case v1::ERROR_REASON_KERNEL_REFUSES:
      return "run pageferryd with that right; see `pageferry capabilities`";
    case v1::ERROR_REASON_TOO_MANY_MIGRATIONS:
      return "wait and try again";
    case v1::ERROR_REASON_REQUEST_ID_RUNNING:
      return "wait for that migration, or `pageferry cancel` it";
    case v1::ERROR_REASON_SHUTTING_DOWN:
      return "try again once pageferryd is back";
    case v1::ERROR_REASON_NOT_READY:
    case v1::ERROR_REASON_UNSUPPORTED:
      return "see `pageferry capabilities`";
    case v1::ERROR_REASON_INTERNAL:
      return "a defect of pageferryd: see its log";
    default:
      return "";
  }
}

std::string AddressText(uint64_t address) {
  return absl::StrFormat("0x%x", address);
}

std::string BytesText(uint64_t bytes) {
  if (bytes < 1024) return absl::StrCat(bytes, " B");
  constexpr absl::string_view kUnits[] = {"KiB", "MiB", "GiB", "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  size_t unit = 0;
  while (value >= 1023.95 && unit + 1 < std::size(kUnits)) {
    value /= 1024;
    ++unit;
  }
  return absl::StrFormat("%.1f %s", value, kUnits[unit]);
}

absl::Duration ToDuration(const google::protobuf::Duration& duration) {
  return absl::Seconds(duration.seconds()) +
         absl::Nanoseconds(duration.nanos());
}

google::protobuf::Duration ToProto(absl::Duration duration) {
  google::protobuf::Duration proto;
  proto.set_seconds(absl::IDivDuration(duration, absl::Seconds(1), &duration));
  proto.set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(duration)));
  return proto;
}

std::string DurationText(absl::Duration duration) {
  for (const absl::Duration unit :
       {absl::Seconds(1), absl::Milliseconds(1), absl::Microseconds(1)}) {
    if (duration >= unit) {
      return absl::FormatDuration(absl::Trunc(duration, unit / 10));
    }
  }
  return absl::FormatDuration(duration);
}

std::string TargetText(const v1::Target& target) {
  switch (target.kind_case()) {
    case v1::Target::kProcess:
      return absl::StrCat("process ", target.process().pid());
    case v1::Target::kCgroup:
      return absl::StrCat("cgroup ", target.cgroup());
    case v1::Target::kPodUid:
      return absl::StrCat("pod ", target.pod_uid());
    case v1::Target::kContainer:
      return absl::StrCat("container ", target.container().namespace_(), "/",
                          target.container().pod(), "/",
                          target.container().container());
    default:
      return "-";
  }
}

std::string NodesText(const google::protobuf::RepeatedField<int32_t>& nodes) {
  return nodes.empty() ? "-" : absl::StrJoin(nodes, ",");
}

}  // namespace pageferry::client::cli
