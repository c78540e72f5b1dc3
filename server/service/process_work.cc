#include <set>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/limits.h"
#include "server/core/migrate_process.h"
#include "server/core/refusal.h"
#include "server/service/conversion.h"
#include "server/service/migration_work.h"

namespace pageferry::service {
namespace {

using core::ProcessId;
using core::StopReason;

struct EarlierProcess {
  bool operator()(const ProcessId& a, const ProcessId& b) const {
    return std::tie(a.pid, a.start_time_ticks) <
           std::tie(b.pid, b.start_time_ticks);
  }
};

class ProcessWork final : public MigrationWork {
 public:
  explicit ProcessWork(MigrateProcessPlan plan)
      : plan_(std::move(plan)), options_{plan_.how.move, plan_.how.migrate} {}

  core::Method method() const override { return core::Method::kMigrateProcess; }
  const MigrationPlan& how() const override { return plan_.how; }
  const std::string& request_id() const override { return plan_.request_id; }
  std::string target() const override {
    return plan_.target.is_process()
               ? absl::StrCat("process ", plan_.target.process.pid)
               : absl::StrCat("cgroup ", plan_.target.cgroup);
  }

  absl::Status Open(core::Backend* backend,
                    const core::MigrationControl& control) override {
    backend_ = backend;
    if (plan_.target.is_process()) {
      const ProcessName& name = plan_.target.process;
      return Admit(name.pid, name.start_time_ticks);
    }
    const auto processes = backend->ListCgroup(plan_.target.cgroup);
    if (!processes.ok()) return processes.status();
    for (const ProcessId& id : *processes) {
      if (control.stop() != StopReason::kNone) break;
      const absl::Status status = Admit(id.pid, id.start_time_ticks);
      if (!status.ok() && !core::LeftItsGroup(status)) return status;
    }
    return absl::OkStatus();
  }

  void Describe(v1::MigrationStarted* started) const override {
    for (const ProcessId& id : found_) *started->add_processes() = ToProto(id);
  }

  core::MigrationSummary Run(const core::MigrationControl& control,
                             absl::Span<core::RateLimiter* const> limiters,
                             MigrationAccount& account) override {
    core::MigrationSummary summary;
    StopReason stop = control.stop();
    bool full = false;
    for (int look = 0; stop == StopReason::kNone && !todo_.empty(); ++look) {
      for (const ProcessId& id : std::exchange(todo_, {})) {
        const StopReason end =
            Migrate(id, control, limiters, account, &summary);
        full = full || end == StopReason::kDestinationFull;
        if (end == StopReason::kCompleted ||
            end == StopReason::kDestinationFull) {
          continue;
        }
        // Of a group, one that ends is not the end of all. If it became
        // another program, the next look finds it again.
        if (end == StopReason::kProcessExited && !plan_.target.is_process()) {
          found_.erase(id);
          continue;
        }
        stop = end;
        break;
      }
      if (stop == StopReason::kNone && look < core::kMaxCgroupLooks) {
        stop = LookForNewcomers(account);
      }
    }
    const StopReason end =
        full ? StopReason::kDestinationFull : StopReason::kCompleted;
    summary.stop_reason = stop == StopReason::kNone ? end : stop;
    return summary;
  }

 private:
  // Finds out whether the process could be migrated, and takes it on. It is
  // opened again when its turn comes: descriptors are few, and cgroups large.
  absl::Status Admit(int32_t pid, absl::optional<uint64_t> start_time_ticks) {
    auto process = backend_->OpenProcess(pid, start_time_ticks);
    if (!process.ok()) return process.status();
    const core::PageList nothing = core::PlacementsOf(plan_.pairs);
    auto mover = (*process)->NewMover(nothing, plan_.how.move);
    if (!mover.ok()) return mover.status();
    const ProcessId id = (*process)->id();
    if (plan_.target.is_process()) process_ = *std::move(process);
    TakeOn(id);
    return absl::OkStatus();
  }

  void TakeOn(const ProcessId& id) {
    found_.insert(id);
    todo_.push_back(id);
  }

  StopReason Migrate(const ProcessId& id, const core::MigrationControl& control,
                     absl::Span<core::RateLimiter* const> limiters,
                     MigrationAccount& account,
                     core::MigrationSummary* summary) {
    std::unique_ptr<core::TargetProcess> process = std::move(process_);
    if (process == nullptr) {
      auto opened = backend_->OpenProcess(id.pid, id.start_time_ticks);
      if (!opened.ok()) {
        return core::LeftItsGroup(opened.status())
                   ? StopReason::kProcessExited
                   : StopReason::kPermissionLost;
      }
      process = *std::move(opened);
    }
    return core::MigrateProcess(*process, plan_.pairs, options_, control,
                                limiters, account, summary);
  }

  // Takes on the processes that appeared in the cgroup.
  StopReason LookForNewcomers(MigrationAccount& account) {
    if (plan_.target.is_process()) return StopReason::kNone;
    const auto processes = backend_->ListCgroup(plan_.target.cgroup);
    if (!processes.ok()) {
      // Removed: nobody is left.
      return core::RefusalOf(processes.status()).reason ==
                     core::RefusalReason::kCgroupNotFound
                 ? StopReason::kNone
                 : StopReason::kPermissionLost;
    }
    for (const ProcessId& id : *processes) {
      if (found_.contains(id)) continue;
      absl::Status status = Admit(id.pid, id.start_time_ticks);
      if (!status.ok() && core::RefusalOf(status).reason ==
                              core::RefusalReason::kNodeNotAllowed) {
        // Its pages will say so, one by one.
        TakeOn(id);
        status = absl::OkStatus();
      }
      if (status.ok()) {
        account.OnProcessJoined(id);
      } else if (!core::LeftItsGroup(status)) {
        return StopReason::kPermissionLost;
      }
    }
    return StopReason::kNone;
  }

  const MigrateProcessPlan plan_;
  const core::ProcessOptions options_;
  core::Backend* backend_ = nullptr;
  // All that were taken on, and those whose turn is to come.
  std::set<ProcessId, EarlierProcess> found_;
  std::vector<ProcessId> todo_;
  // A target that is one process, held from the request on.
  std::unique_ptr<core::TargetProcess> process_;
};

}  // namespace

std::unique_ptr<MigrationWork> NewProcessWork(MigrateProcessPlan plan) {
  return std::make_unique<ProcessWork>(std::move(plan));
}

}  // namespace pageferry::service
