#include "pageferry/error.h"

#include <string>

#include "absl/strings/cord.h"

namespace pageferry::client {
namespace {

constexpr char kDetailUrl[] = "type.googleapis.com/pageferry.v1.ErrorDetail";

}  // namespace

absl::Status ToAbslStatus(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  absl::Status result(static_cast<absl::StatusCode>(status.error_code()),
                      status.error_message());
  v1::Status envelope;
  if (!envelope.ParseFromString(status.error_details())) return result;
  for (const google::protobuf::Any& any : envelope.details()) {
    if (any.Is<v1::ErrorDetail>()) {
      result.SetPayload(kDetailUrl, absl::Cord(any.value()));
    }
  }
  return result;
}

absl::optional<v1::ErrorDetail> ErrorDetailOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kDetailUrl);
  v1::ErrorDetail detail;
  if (!payload.has_value() || !detail.ParseFromString(std::string(*payload))) {
    return absl::nullopt;
  }
  return detail;
}

}  // namespace pageferry::client
