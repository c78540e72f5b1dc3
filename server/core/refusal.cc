#include "server/core/refusal.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace pageferry::core {
namespace {

// A Status carries its refusal as a payload: fields separated by a character
// that no text here contains.
constexpr char kPayloadType[] = "pageferry/refusal";
constexpr char kSeparator = '\x1f';

absl::StatusCode CodeOf(RefusalReason reason) {
  switch (reason) {
    case RefusalReason::kInvalidRequest:
      return absl::StatusCode::kInvalidArgument;
    case RefusalReason::kProcessNotFound:
    case RefusalReason::kProcessReplaced:
    case RefusalReason::kCgroupNotFound:
    case RefusalReason::kPodNotFound:
    case RefusalReason::kMigrationNotFound:
      return absl::StatusCode::kNotFound;
    case RefusalReason::kTargetNotMovable:
    case RefusalReason::kNodeNotAllowed:
      return absl::StatusCode::kFailedPrecondition;
    case RefusalReason::kRoleLacksRpc:
    case RefusalReason::kTargetNotAllowed:
    case RefusalReason::kKernelRefuses:
      return absl::StatusCode::kPermissionDenied;
    case RefusalReason::kNoCredentials:
      return absl::StatusCode::kUnauthenticated;
    case RefusalReason::kTooManyMigrations:
      return absl::StatusCode::kResourceExhausted;
    case RefusalReason::kRequestIdRunning:
      return absl::StatusCode::kAlreadyExists;
    case RefusalReason::kShuttingDown:
    case RefusalReason::kNotReady:
      return absl::StatusCode::kUnavailable;
    case RefusalReason::kUnsupported:
      return absl::StatusCode::kUnimplemented;
    case RefusalReason::kInternal:
      return absl::StatusCode::kInternal;
  }
  return absl::StatusCode::kInternal;
}

// Text that goes into a payload loses the separator; nothing else changes.
std::string Clean(std::string text) {
  for (char& c : text) {
    if (c == kSeparator) c = ' ';
  }
  return text;
}

}  // namespace

absl::Status ToStatus(const Refusal& refusal) {
  absl::Status status(CodeOf(refusal.reason), refusal.message);
  std::vector<std::string> fields = {
      absl::StrCat(static_cast<int>(refusal.reason)),
      refusal.retry_delay.has_value()
          ? absl::StrCat(absl::ToInt64Nanoseconds(*refusal.retry_delay))
          : "",
      Clean(refusal.migration_id), Clean(refusal.missing)};
  for (const Violation& violation : refusal.violations) {
    fields.push_back(Clean(violation.field));
    fields.push_back(Clean(violation.description));
  }
  status.SetPayload(kPayloadType, absl::Cord(absl::StrJoin(
                                      fields, std::string(1, kSeparator))));
  return status;
}

absl::Status Refuse(RefusalReason reason, absl::string_view message) {
  Refusal refusal;
  refusal.reason = reason;
  refusal.message = std::string(message);
  return ToStatus(refusal);
}

Refusal RefusalOf(const absl::Status& status) {
  Refusal refusal;
  refusal.message = std::string(status.message());
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayloadType);
  if (!payload.has_value()) return refusal;
  const std::vector<std::string> fields =
      absl::StrSplit(std::string(*payload), kSeparator);
  int reason = 0;
  if (fields.size() < 4 || !absl::SimpleAtoi(fields[0], &reason)) {
    return refusal;
  }
  refusal.reason = static_cast<RefusalReason>(reason);
  int64_t delay_ns = 0;
  if (absl::SimpleAtoi(fields[1], &delay_ns)) {
    refusal.retry_delay = absl::Nanoseconds(delay_ns);
  }
  refusal.migration_id = fields[2];
  refusal.missing = fields[3];
  for (size_t i = 4; i + 1 < fields.size(); i += 2) {
    refusal.violations.push_back({fields[i], fields[i + 1]});
  }
  return refusal;
}

bool ProcessEnded(const absl::Status& status) {
  if (status.ok()) return false;
  const RefusalReason reason = RefusalOf(status).reason;
  return reason == RefusalReason::kProcessNotFound ||
         reason == RefusalReason::kProcessReplaced;
}

bool LeftItsGroup(const absl::Status& status) {
  return ProcessEnded(status) ||
         (!status.ok() &&
          RefusalOf(status).reason == RefusalReason::kTargetNotMovable);
}

}  // namespace pageferry::core
