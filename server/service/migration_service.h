// The gRPC service that moves and locates pages.
//
// A handler runs on one of gRPC's threads and only makes the reactor; the work
// is done on pools of this project: `front` checks requests and answers short
// calls, `locate` looks at pages, and the runner's threads migrate.

#ifndef PAGEFERRY_SERVER_SERVICE_MIGRATION_SERVICE_H_
#define PAGEFERRY_SERVER_SERVICE_MIGRATION_SERVICE_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "pageferry/v1/migration.grpc.pb.h"
#include "server/service/call_counter.h"
#include "server/service/migration_runner.h"
#include "server/service/refuser.h"
#include "server/service/service_context.h"
#include "server/service/stream_reactor.h"
#include "server/service/worker_pool.h"

namespace pageferry::service {

// Thread-safe. gRPC must be done with it before it is destroyed.
class MigrationService final : public v1::MigrationService::CallbackService {
 public:
  // All must outlive this.
  MigrationService(const ServiceContext* context, const Refuser* refuser,
                   CallCounter* calls, WorkerPool* front);

  // From now on refuses to migrate or locate with kShuttingDown. What runs is
  // asked to stop; what looks may end.
  void BeginDrain();

  // Answers for the migrations whose kernel call does not return. To be used
  // only where the process is about to end.
  void CloseDuringCalls() { runner_.CloseDuringCalls(); }

  grpc::ServerWriteReactor<v1::MigratePagesResponse>* MigratePages(
      grpc::CallbackServerContext* context,
      const v1::MigratePagesRequest* request) override;
  grpc::ServerWriteReactor<v1::MigrateProcessResponse>* MigrateProcess(
      grpc::CallbackServerContext* context,
      const v1::MigrateProcessRequest* request) override;
  grpc::ServerWriteReactor<v1::LocatePagesResponse>* LocatePages(
      grpc::CallbackServerContext* context,
      const v1::LocatePagesRequest* request) override;
  grpc::ServerUnaryReactor* ListMigrations(
      grpc::CallbackServerContext* context,
      const v1::ListMigrationsRequest* request,
      v1::ListMigrationsResponse* response) override;
  grpc::ServerUnaryReactor* CancelMigration(
      grpc::CallbackServerContext* context,
      const v1::CancelMigrationRequest* request,
      v1::CancelMigrationResponse* response) override;

 private:
  template <typename Response>
  StreamReactor<Response>* NewReactor(grpc::CallbackServerContext* context);

  absl::Status StartMigration(const v1::MigratePagesRequest& request,
                              const std::string& caller,
                              const std::shared_ptr<Stream>& stream);
  absl::Status StartMigration(const v1::MigrateProcessRequest& request,
                              const std::string& caller,
                              const std::shared_ptr<Stream>& stream);
  template <typename Response, typename Request>
  StreamReactor<Response>* StartOn(grpc::CallbackServerContext* context,
                                   const Request* request, const char* method);
  absl::Status CheckReady() const;
  void Locate(const v1::LocatePagesRequest& request, const std::string& caller,
              const std::shared_ptr<Stream>& stream);
  absl::Status Cancel(const v1::CancelMigrationRequest& request,
                      v1::CancelMigrationResponse* response);

  const ServiceContext* const context_;
  const Refuser* const refuser_;
  CallCounter* const calls_;
  WorkerPool* const front_;
  MigrationRunner runner_;
  WorkerPool locate_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_MIGRATION_SERVICE_H_
