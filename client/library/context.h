// CallOptions as gRPC takes them.

#ifndef PAGEFERRY_CLIENT_LIBRARY_CONTEXT_H_
#define PAGEFERRY_CLIENT_LIBRARY_CONTEXT_H_

#include "grpcpp/client_context.h"
#include "pageferry/call_options.h"

namespace pageferry::client {

// Sets the deadline and the rest on a context whose call has not begun.
void ApplyOptions(const CallOptions& options, grpc::ClientContext* context);

}  // namespace pageferry::client

#endif  // PAGEFERRY_CLIENT_LIBRARY_CONTEXT_H_
