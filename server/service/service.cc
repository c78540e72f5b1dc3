#include "server/service/service.h"

#include <utility>

namespace pageferry::service {
namespace {

// Requests are checked at memory speed; what blocks here is short reads of
// /proc and /sys.
constexpr int kFrontThreads = 4;

}  // namespace

Service::Service(ServiceContext context)
    : context_(std::move(context)),
      refuser_(context_.telemetry, context_.log),
      calls_(context_.clock),
      migrations_(&context_, &refuser_, &calls_, &front_),
      nodes_(&context_, &refuser_, &calls_, &front_),
      front_(kFrontThreads) {}

std::vector<grpc::Service*> Service::grpc_services() {
  return {&migrations_, &nodes_};
}

void Service::BeginDrain() { migrations_.BeginDrain(); }

bool Service::AwaitIdle(absl::Duration timeout) {
  const absl::Duration end = context_.clock->Monotonic() + timeout;
  return context_.registry->AwaitIdle(timeout) &&
         calls_.AwaitNone(end - context_.clock->Monotonic());
}

}  // namespace pageferry::service
