#include "server/service/locate_call.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "server/core/limits.h"
#include "server/core/refusal.h"
#include "server/service/conversion.h"

namespace pageferry::service {
namespace {

// Collects locations into messages and sends those that are full.
class LocationStream {
 public:
  LocationStream(Stream* stream, int32_t pid) : stream_(stream), pid_(pid) {}

  // False when the reader is gone.
  bool Add(absl::Span<const core::LocatedRun> runs) {
    if (runs.empty()) return !stream_->over();
    for (const core::LocatedRun& run : runs) {
      if (response_ == nullptr) {
        response_ = std::make_unique<v1::LocatePagesResponse>();
        response_->set_pid(pid_);
      }
      AppendPageLocations(run, response_.get());
      located_up_to_ = run.run.end();
      any_ = true;
      if (Full() && !Flush()) return false;
    }
    return true;
  }

  bool Flush() {
    return response_ == nullptr || stream_->Write(std::move(response_));
  }

  bool any() const { return any_; }

  // The end of the last run.
  core::VirtualAddress located_up_to() const { return located_up_to_; }

 private:
  // Messages are bounded by entries, and, since an entry may name many states,
  // by bytes: 2 for each state and at most 40 for the rest.
  bool Full() const {
    constexpr int kMostEntryBytes = 40 + 2 * v1::PageState_MAX;
    static_assert(core::kMaxMessageBytes / kMostEntryBytes > 1024);
    return response_->locations_size() >=
           static_cast<int>(
               std::min<uint64_t>(core::kMaxMessageResults,
                                  core::kMaxMessageBytes / kMostEntryBytes));
  }

  Stream* const stream_;
  const int32_t pid_;
  std::unique_ptr<v1::LocatePagesResponse> response_;
  core::VirtualAddress located_up_to_;
  bool any_ = false;
};

// The runs of a list, ascending.
std::vector<core::PageRun> RunsOf(const core::PageList& pages) {
  std::vector<core::PageRun> runs;
  for (const core::PlacedRun& placed : pages.runs()) runs.push_back(placed.run);
  return runs;
}

// What of `runs` is at or after `start`, as pages of a process that has ended.
std::vector<core::LocatedRun> GoneFrom(core::VirtualAddress start,
                                       absl::Span<const core::PageRun> runs) {
  std::vector<core::LocatedRun> gone;
  for (const core::PageRun& run : runs) {
    const uint64_t skipped =
        start <= run.start
            ? 0
            : std::min(start.page_number() - run.start.page_number(),
                       run.pages);
    if (skipped == run.pages) continue;
    core::LocatedRun left;
    left.run = {run.start.PlusPages(skipped), run.pages - skipped};
    left.reason = core::Reason::kProcessExited;
    gone.push_back(left);
  }
  return gone;
}

// The pages of one process.
absl::Status LocateOne(const LocatePagesPlan& plan, int32_t pid,
                       absl::optional<uint64_t> start_time_ticks,
                       core::Backend* backend, Stream* stream) {
  auto process = backend->OpenProcess(pid, start_time_ticks);
  if (!process.ok()) return process.status();
  LocationStream locations(stream, (*process)->id().pid);
  const core::LocationSink sink =
      [&locations](absl::Span<const core::LocatedRun> runs) {
        return locations.Add(runs);
      };
  absl::Status status;
  if (plan.all_resident) {
    status = (*process)->LocateResident(core::VirtualAddress(),
                                        core::HiddenPages::kLeave, sink);
  } else {
    const std::vector<core::PageRun> runs = RunsOf(plan.pages);
    status = (*process)->Locate(runs, sink);
    if (core::ProcessEnded(status) && locations.any()) {
      locations.Add(GoneFrom(locations.located_up_to(), runs));
      status = absl::OkStatus();
    }
  }
  if (!status.ok()) return status;
  locations.Flush();
  return absl::OkStatus();
}

}  // namespace

absl::Status LocatePages(const LocatePagesPlan& plan, core::Backend* backend,
                         Stream* stream) {
  if (plan.target.is_process()) {
    const ProcessName& name = plan.target.process;
    return LocateOne(plan, name.pid, name.start_time_ticks, backend, stream);
  }
  const auto processes = backend->ListCgroup(plan.target.cgroup);
  if (!processes.ok()) return processes.status();
  for (const core::ProcessId& id : *processes) {
    const absl::Status status =
        LocateOne(plan, id.pid, id.start_time_ticks, backend, stream);
    if (!status.ok() && !core::LeftItsGroup(status)) return status;
    if (stream->over()) break;
  }
  return absl::OkStatus();
}

}  // namespace pageferry::service
