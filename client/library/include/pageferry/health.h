// The answer of the standard gRPC health check.

#ifndef PAGEFERRY_HEALTH_H_
#define PAGEFERRY_HEALTH_H_

namespace pageferry::client {

// As in grpc.health.v1; the numbers are those of the wire.
enum class ServingStatus {
  kUnknown = 0,
  kServing = 1,
  kNotServing = 2,
};

}  // namespace pageferry::client

#endif  // PAGEFERRY_HEALTH_H_
