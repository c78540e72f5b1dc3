// What the service tells those who count its calls. Implemented by metrics/;
// the service knows only this.

#ifndef PAGEFERRY_SERVER_CORE_CALL_TELEMETRY_H_
#define PAGEFERRY_SERVER_CORE_CALL_TELEMETRY_H_

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace pageferry::core {

// A method of the API.
struct CallMethod {
  std::string service;  // "pageferry.v1.MigrationService"
  std::string method;   // "MigratePages"
  std::string type;     // "unary", "server_stream": as gRPC's middleware has it

  // As it stands in a request: "/pageferry.v1.MigrationService/MigratePages".
  std::string path() const { return "/" + service + "/" + method; }
};

// Follows one call. Thread-safe: a call may send and receive at once.
class CallMeter {
 public:
  virtual ~CallMeter() = default;
  virtual void OnMessageReceived() = 0;
  virtual void OnMessageSent() = 0;
  // The last that is told. Once.
  virtual void End(absl::StatusCode code) = 0;
};

// Thread-safe; does not block.
class CallTelemetry {
 public:
  virtual ~CallTelemetry() = default;

  // A call began. Null where there is no such method: what strangers make up
  // is not counted.
  virtual std::unique_ptr<CallMeter> StartCall(absl::string_view path) = 0;
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_CALL_TELEMETRY_H_
