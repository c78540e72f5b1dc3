#include <utility>

#include "absl/strings/str_cat.h"
#include "server/core/idle_mover.h"
#include "server/service/conversion.h"
#include "server/service/migration_work.h"

namespace pageferry::service {
namespace {

class PageListWork final : public MigrationWork {
 public:
  explicit PageListWork(MigratePagesPlan plan)
      : plan_(std::move(plan)),
        id_{plan_.process.pid, plan_.process.start_time_ticks.value_or(0)},
        mover_(std::make_unique<core::IdleMover>(core::StopReason::kNone,
                                                 core::Reason::kNone)) {}

  core::Method method() const override { return core::Method::kMigratePages; }
  const MigrationPlan& how() const override { return plan_.how; }
  const std::string& request_id() const override { return plan_.request_id; }
  std::string target() const override {
    return absl::StrCat("process ", plan_.process.pid);
  }

  absl::Status Open(core::Backend* backend,
                    const core::MigrationControl&) override {
    auto process =
        backend->OpenProcess(plan_.process.pid, plan_.process.start_time_ticks);
    if (!process.ok()) return process.status();
    process_ = *std::move(process);
    id_ = process_->id();
    auto mover = process_->NewMover(plan_.pages, plan_.how.move);
    if (!mover.ok()) return mover.status();
    mover_ = *std::move(mover);
    return absl::OkStatus();
  }

  void Describe(v1::MigrationStarted* started) const override {
    started->set_page_count(plan_.pages.page_count());
    *started->add_processes() = ToProto(id_);
  }

  core::MigrationSummary Run(const core::MigrationControl& control,
                             absl::Span<core::RateLimiter* const> limiters,
                             MigrationAccount& account) override {
    account.OnPiece(id_, plan_.pages);
    return core::MigratePages(plan_.pages, plan_.how.migrate, *mover_, control,
                              limiters, account);
  }

 private:
  const MigratePagesPlan plan_;
  core::ProcessId id_;
  std::unique_ptr<core::TargetProcess> process_;
  std::unique_ptr<core::BatchMover> mover_;
};

}  // namespace

std::unique_ptr<MigrationWork> NewPageListWork(MigratePagesPlan plan) {
  return std::make_unique<PageListWork>(std::move(plan));
}

}  // namespace pageferry::service
