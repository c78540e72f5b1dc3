#include "server/service/migration_service.h"

#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/core/refusal.h"
#include "server/service/conversion.h"
#include "server/service/locate_call.h"
#include "server/service/migration_listing.h"
#include "server/service/unary_call.h"
#include "server/service/validation.h"
#include "server/service/violations.h"

namespace pageferry::service {
namespace {

// Looks take no locks of the pages; a few threads saturate /proc.
constexpr int kLocateThreads = 8;

// The answer to a request for which there is no migration.
absl::Status NoSuchMigration(const std::string& id) {
  return core::Refuse(core::RefusalReason::kMigrationNotFound,
                      absl::StrCat("no migration has the id \"", id,
                                   "\", or it ended too long ago; "
                                   "ListMigrations has those that are known"));
}

}  // namespace

MigrationService::MigrationService(const ServiceContext* context,
                                   const Refuser* refuser, CallCounter* calls,
                                   WorkerPool* front)
    : context_(context),
      refuser_(refuser),
      calls_(calls),
      front_(front),
      runner_(context, refuser),
      locate_(kLocateThreads) {}

void MigrationService::BeginDrain() { context_->registry->BeginDrain(); }

template <typename Response>
StreamReactor<Response>* MigrationService::NewReactor(
    grpc::CallbackServerContext* context) {
  return new StreamReactor<Response>(context, context_->stream_limits,
                                     context_->telemetry, context_->clock,
                                     calls_);
}

template <typename Response, typename Request>
StreamReactor<Response>* MigrationService::StartOn(
    grpc::CallbackServerContext* context, const Request* request,
    const char* method) {
  auto* reactor = NewReactor<Response>(context);
  front_->Post([this, request, method, stream = reactor->stream(),
                caller = context_->identify_caller(context).name] {
    absl::Status status = context_->registry->CheckNotDraining();
    if (status.ok()) status = CheckReady();
    if (status.ok()) status = StartMigration(*request, caller, stream);
    if (status.ok()) {
      stream->ReleaseRequest();
    } else {
      stream->Finish(refuser_->Refuse(method, caller, status));
    }
  });
  return reactor;
}

grpc::ServerWriteReactor<v1::MigratePagesResponse>*
MigrationService::MigratePages(grpc::CallbackServerContext* context,
                               const v1::MigratePagesRequest* request) {
  return StartOn<v1::MigratePagesResponse>(context, request, "MigratePages");
}

grpc::ServerWriteReactor<v1::MigrateProcessResponse>*
MigrationService::MigrateProcess(grpc::CallbackServerContext* context,
                                 const v1::MigrateProcessRequest* request) {
  return StartOn<v1::MigrateProcessResponse>(context, request,
                                             "MigrateProcess");
}

absl::Status MigrationService::StartMigration(
    const v1::MigratePagesRequest& request, const std::string& caller,
    const std::shared_ptr<Stream>& stream) {
  absl::StatusOr<MigratePagesPlan> plan =
      PlanMigratePages(request, context_->backend->MemoryNodes(),
                       context_->backend->default_initial_backoff());
  if (!plan.ok()) return plan.status();
  auto description = std::make_shared<MigrationDescription>();
  *description->target.mutable_process() = request.process();
  description->options = request.options();
  return runner_.Submit(NewPageListWork(*std::move(plan)), caller,
                        std::move(description), stream);
}

absl::Status MigrationService::StartMigration(
    const v1::MigrateProcessRequest& request, const std::string& caller,
    const std::shared_ptr<Stream>& stream) {
  absl::StatusOr<MigrateProcessPlan> plan =
      PlanMigrateProcess(request, context_->backend->MemoryNodes(),
                         context_->backend->default_initial_backoff());
  if (!plan.ok()) return plan.status();
  auto description = std::make_shared<MigrationDescription>();
  description->target = request.target();
  description->options = request.options();
  return runner_.Submit(NewProcessWork(*std::move(plan)), caller,
                        std::move(description), stream);
}

// Pages move between nodes; with one node there is nothing to do. The backend
// has the words for why that is so here.
absl::Status MigrationService::CheckReady() const {
  if (context_->backend->MemoryNodes().size() >= 2) return absl::OkStatus();
  const core::Capabilities capabilities = context_->backend->ReadCapabilities();
  if (capabilities.ready) return absl::OkStatus();
  return core::Refuse(core::RefusalReason::kNotReady,
                      capabilities.not_ready_reason);
}

grpc::ServerWriteReactor<v1::LocatePagesResponse>*
MigrationService::LocatePages(grpc::CallbackServerContext* context,
                              const v1::LocatePagesRequest* request) {
  auto* reactor = NewReactor<v1::LocatePagesResponse>(context);
  front_->Post([this, request, stream = reactor->stream(),
                caller = context_->identify_caller(context).name] {
    Locate(*request, caller, stream);
  });
  return reactor;
}

void MigrationService::Locate(const v1::LocatePagesRequest& request,
                              const std::string& caller,
                              const std::shared_ptr<Stream>& stream) {
  absl::Status status = context_->registry->CheckNotDraining();
  auto plan = std::make_shared<LocatePagesPlan>();
  if (status.ok()) {
    absl::StatusOr<LocatePagesPlan> read = PlanLocatePages(request);
    status = read.status();
    if (read.ok()) *plan = *std::move(read);
  }
  if (!status.ok()) {
    stream->Finish(refuser_->Refuse("LocatePages", caller, status));
    return;
  }
  stream->ReleaseRequest();
  locate_.Post([this, plan, caller, stream] {
    const absl::Status located =
        service::LocatePages(*plan, context_->backend, stream.get());
    stream->Finish(located.ok()
                       ? grpc::Status::OK
                       : refuser_->Refuse("LocatePages", caller, located));
  });
}

grpc::ServerUnaryReactor* MigrationService::ListMigrations(
    grpc::CallbackServerContext* context,
    const v1::ListMigrationsRequest* request,
    v1::ListMigrationsResponse* response) {
  return AnswerOn(front_, context, *context_, *refuser_, calls_,
                  "ListMigrations", [this, request, response] {
                    absl::StatusOr<v1::ListMigrationsResponse> list =
                        service::ListMigrations(*request, *context_->registry);
                    if (list.ok()) *response = *std::move(list);
                    return list.status();
                  });
}

grpc::ServerUnaryReactor* MigrationService::CancelMigration(
    grpc::CallbackServerContext* context,
    const v1::CancelMigrationRequest* request,
    v1::CancelMigrationResponse* response) {
  return AnswerOn(
      front_, context, *context_, *refuser_, calls_, "CancelMigration",
      [this, request, response] { return Cancel(*request, response); });
}

absl::Status MigrationService::Cancel(const v1::CancelMigrationRequest& request,
                                      v1::CancelMigrationResponse* response) {
  if (request.migration_id().empty()) {
    Violations violations;
    violations.Add("migration_id", "is missing; name a migration");
    return violations.ToStatus();
  }
  const std::shared_ptr<core::Migration> migration =
      context_->registry->Find(request.migration_id());
  if (migration == nullptr) return NoSuchMigration(request.migration_id());
  migration->control().RequestStop(core::StopReason::kCancelled);
  *response->mutable_migration() = ToProto(*migration);
  return absl::OkStatus();
}

}  // namespace pageferry::service
