#include "client/library/context.h"

#include "absl/time/time.h"

namespace pageferry::client {

void ApplyOptions(const CallOptions& options, grpc::ClientContext* context) {
  if (options.deadline != absl::InfiniteFuture()) {
    context->set_deadline(absl::ToChronoTime(options.deadline));
  }
  context->set_wait_for_ready(options.wait_for_ready);
}

}  // namespace pageferry::client
