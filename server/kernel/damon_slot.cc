#include "server/kernel/damon_slot.h"

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/types/optional.h"
#include "server/kernel/process_identity.h"

namespace pageferry::kernel {
namespace {

// "pageferr" in ASCII: nobody writes this number by chance.
constexpr uint64_t kMark = 0x7061676566657272;

constexpr absl::string_view kScheme = "contexts/0/schemes/0/";

std::string Kdamonds(const std::string& sys_root) {
  return sys_root + "/kernel/mm/damon/admin/kdamonds";
}

// A number in sysfs; empty where there is none.
absl::optional<uint64_t> ReadNumber(SystemCalls& system,
                                    const std::string& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(system, path);
  uint64_t number = 0;
  if (!text.ok() ||
      !absl::SimpleAtoi(absl::StripAsciiWhitespace(*text), &number)) {
    return absl::nullopt;
  }
  return number;
}

bool IsOff(SystemCalls& system, const std::string& slot) {
  const absl::StatusOr<std::string> state =
      ReadTextFile(system, slot + "/state");
  return state.ok() && absl::StripAsciiWhitespace(*state) == "off";
}

absl::optional<uint64_t> StartTimeOf(SystemCalls& system,
                                     const std::string& proc_root,
                                     absl::string_view process) {
  const absl::StatusOr<std::string> text =
      ReadTextFile(system, absl::StrCat(proc_root, "/", process, "/stat"));
  if (!text.ok()) return absl::nullopt;
  const absl::StatusOr<ProcessStat> stat = ParseProcessStat(*text);
  if (!stat.ok()) return absl::nullopt;
  return stat->start_time_ticks;
}

enum class Use { kNone, kLeftOver, kTaken };

// Whether the mark of a slot is of a process that cannot be using it: one that
// is gone, or this one, which has one slot at most.
bool OwnerIsDone(SystemCalls& system, const std::string& proc_root,
                 const std::string& marks) {
  const absl::optional<uint64_t> pid = ReadNumber(system, marks + "high");
  const absl::optional<uint64_t> start = ReadNumber(system, marks + "mid");
  if (!pid.has_value() || !start.has_value()) return false;
  if (*pid == static_cast<uint64_t>(system.OwnPid())) return true;
  return StartTimeOf(system, proc_root, absl::StrCat(*pid)) != start;
}

Use UseOf(SystemCalls& system, const std::string& proc_root,
          const std::string& kdamonds, uint64_t count) {
  if (count == 0) return Use::kNone;
  if (count > 1) return Use::kTaken;
  const std::string slot = kdamonds + "/0";
  const std::string context = slot + "/contexts/0";
  const absl::optional<uint64_t> contexts =
      ReadNumber(system, slot + "/contexts/nr_contexts");
  const absl::optional<uint64_t> schemes =
      ReadNumber(system, context + "/schemes/nr_schemes");
  const absl::optional<uint64_t> targets =
      ReadNumber(system, context + "/targets/nr_targets");
  const std::string marks = context + "/schemes/0/watermarks/";
  if (schemes == uint64_t{1} &&
      ReadNumber(system, marks + "interval_us") == kMark) {
    return OwnerIsDone(system, proc_root, marks) ? Use::kLeftOver : Use::kTaken;
  }
  // A slot that neither runs nor holds anything is nobody's loss; a Pageferry
  // that was killed before it could mark its slot leaves such a one.
  const bool empty = contexts == uint64_t{0} ||
                     (contexts == uint64_t{1} && schemes == uint64_t{0} &&
                      targets == uint64_t{0});
  return empty && IsOff(system, slot) ? Use::kNone : Use::kTaken;
}

bool Vanished(const SystemResult& result) {
  return result.error == ENOENT || result.error == ENODEV;
}

absl::Status FromErrno(const SystemResult& result, absl::string_view what) {
  if (result.ok()) return absl::OkStatus();
  if (result.error == EBUSY) {
    return absl::UnavailableError("another uses DAMON");
  }
  return absl::ErrnoToStatus(result.error, absl::StrCat("DAMON's ", what));
}

void RemoveAll(SystemCalls& system, const std::string& kdamonds,
               const Descriptor& slot) {
  // Refused where it is off already; the folder is gone where somebody made
  // the slots anew, and then they are not ours to remove.
  const SystemResult off = system.WriteFile(slot.get(), "state", "off");
  if (Vanished(off)) return;
  system.WriteFile(kNoDirectory, kdamonds + "/nr_kdamonds", "0");
}

}  // namespace

uint64_t TotalPages(absl::Span<const PhysicalExtent> extents) {
  uint64_t pages = 0;
  for (const PhysicalExtent& extent : extents) pages += extent.pages;
  return pages;
}

DamonSlot::DamonSlot(SystemCalls* system, std::string kdamonds,
                     Descriptor folder)
    : system_(system),
      kdamonds_(std::move(kdamonds)),
      folder_(std::move(folder)) {}

DamonSlot::~DamonSlot() {
  if (folder_.open()) RemoveAll(*system_, kdamonds_, folder_);
}

void DamonSlot::RemoveLeftOver(SystemCalls* system,
                               const std::string& proc_root,
                               const std::string& sys_root) {
  const std::string kdamonds = Kdamonds(sys_root);
  // Opened before it is looked at: what is found is then of this slot, or the
  // descriptor is dead.
  const SystemResult opened = system->Open(kdamonds + "/0");
  if (!opened.ok()) return;
  const Descriptor folder(system, static_cast<int>(opened.value));
  const absl::optional<uint64_t> count =
      ReadNumber(*system, kdamonds + "/nr_kdamonds");
  if (count.has_value() &&
      UseOf(*system, proc_root, kdamonds, *count) == Use::kLeftOver) {
    RemoveAll(*system, kdamonds, folder);
  }
}

absl::StatusOr<DamonSlot> DamonSlot::Claim(SystemCalls* system,
                                           const std::string& proc_root,
                                           const std::string& sys_root) {
  RemoveLeftOver(system, proc_root, sys_root);
  const std::string kdamonds = Kdamonds(sys_root);
  const std::string count_path = kdamonds + "/nr_kdamonds";
  const absl::StatusOr<std::string> readable =
      ReadTextFile(*system, count_path);
  if (!readable.ok()) return readable.status();
  const absl::optional<uint64_t> count = ReadNumber(*system, count_path);
  if (!count.has_value() ||
      UseOf(*system, proc_root, kdamonds, *count) != Use::kNone) {
    return absl::UnavailableError("another uses DAMON");
  }
  const SystemResult made = system->WriteFile(kNoDirectory, count_path, "1");
  if (!made.ok()) return FromErrno(made, "nr_kdamonds");
  const SystemResult opened = system->Open(kdamonds + "/0");
  if (!opened.ok()) return FromErrno(opened, "slot");
  DamonSlot slot(system, kdamonds,
                 Descriptor(system, static_cast<int>(opened.value)));
  const absl::Status marked = slot.Mark(proc_root);
  if (!marked.ok()) return marked;
  return slot;
}

absl::Status DamonSlot::Write(absl::string_view file, absl::string_view value) {
  const SystemResult result =
      system_->WriteFile(folder_.get(), std::string(file), value);
  if (Vanished(result)) return absl::AbortedError("another took DAMON");
  return FromErrno(result, file);
}

absl::Status DamonSlot::Mark(const std::string& proc_root) {
  const absl::optional<uint64_t> start =
      StartTimeOf(*system_, proc_root, "self");
  if (!start.has_value()) return absl::InternalError("no start time of self");
  const std::string marks = absl::StrCat(kScheme, "watermarks/");
  const std::pair<std::string, std::string> values[] = {
      {"contexts/nr_contexts", "1"},
      {"contexts/0/schemes/nr_schemes", "1"},
      {marks + "high", absl::StrCat(system_->OwnPid())},
      {marks + "mid", absl::StrCat(*start)},
      {marks + "interval_us", absl::StrCat(kMark)},
  };
  for (const auto& [file, value] : values) {
    const absl::Status status = Write(file, value);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DamonSlot::Configure(const DamonScheme& scheme,
                                  absl::Span<const PhysicalExtent> extents) {
  const std::string quotas = absl::StrCat(kScheme, "quotas/");
  const std::string pattern = absl::StrCat(kScheme, "access_pattern/");
  const std::string regions = "contexts/0/targets/0/regions/";
  const std::string round = absl::StrCat(absl::ToInt64Microseconds(kRound));
  // Whatever its size, however often accessed, however long so.
  const std::string any_size = absl::StrCat(~uint64_t{0});
  const std::string any_count = absl::StrCat(~uint32_t{0});
  std::vector<std::pair<std::string, std::string>> values = {
      // First what old kernels do not know, so that they say so.
      {absl::StrCat(kScheme, "action"), scheme.action},
      {"contexts/0/operations", "paddr"},
      {"contexts/0/monitoring_attrs/intervals/sample_us", round},
      {absl::StrCat(kScheme, "apply_interval_us"), round},
      {pattern + "sz/max", any_size},
      {pattern + "nr_accesses/max", any_count},
      {pattern + "age/max", any_count},
      {quotas + "bytes", absl::StrCat(scheme.quota.bytes)},
      {quotas + "reset_interval_ms",
       absl::StrCat(scheme.quota.reset_interval_ms)},
      {"contexts/0/targets/nr_targets", "1"},
      {regions + "nr_regions", absl::StrCat(extents.size())},
  };
  if (scheme.target.known()) {
    values.emplace_back(absl::StrCat(kScheme, "target_nid"),
                        absl::StrCat(scheme.target.value()));
  }
  for (size_t i = 0; i < extents.size(); ++i) {
    const uint64_t first = extents[i].first.value();
    const std::string region = absl::StrCat(regions, i, "/");
    values.emplace_back(region + "start",
                        absl::StrCat(first * core::kPageBytes));
    values.emplace_back(
        region + "end",
        absl::StrCat((first + extents[i].pages) * core::kPageBytes));
  }
  for (const auto& [file, value] : values) {
    const absl::Status status = Write(file, value);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status DamonSlot::TurnOn() { return Write("state", "on"); }

void DamonSlot::TurnOff() {
  // Nothing can be done about a refusal that giving the slot back does not try
  // again.
  Write("state", "off").IgnoreError();
}

absl::StatusOr<uint64_t> DamonSlot::AppliedBytes() {
  const absl::Status updated = Write("state", "update_schemes_stats");
  if (!updated.ok()) return updated;
  const absl::optional<uint64_t> bytes = ReadNumber(
      *system_, absl::StrCat(kdamonds_, "/0/", kScheme, "stats/sz_tried"));
  if (!bytes.has_value()) return absl::InternalError("no figures of DAMON");
  return *bytes;
}

}  // namespace pageferry::kernel
