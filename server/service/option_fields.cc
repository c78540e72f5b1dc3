#include "server/service/option_fields.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/core/limits.h"

namespace pageferry::service {
namespace {

// The value of an enumeration field, which must be one of the contract's.
// `unspecified` takes the place of 0; without one, 0 is a violation.
template <typename Enum>
Enum ReadEnum(Enum value, bool valid, absl::optional<Enum> unspecified,
              const char* field, const char* names, Violations* violations) {
  if (valid && value != 0) return value;
  if (valid && unspecified.has_value()) return *unspecified;
  violations->Add(
      field, value == 0 ? absl::StrCat("is missing; must be one of ", names)
                        : absl::StrCat("is ", static_cast<int>(value),
                                       "; must be one of ", names));
  return value;
}

// A duration within what the contract's type allows, and not negative.
absl::Duration ReadDuration(const google::protobuf::Duration& duration,
                            const std::string& field, Violations* violations) {
  constexpr int64_t kMostSeconds = 315'576'000'000;
  const int64_t seconds = duration.seconds();
  const int64_t nanos = duration.nanos();
  const bool mixed_signs =
      (seconds > 0 && nanos < 0) || (seconds < 0 && nanos > 0);
  if (std::abs(nanos) > 999'999'999 || seconds > kMostSeconds ||
      seconds < -kMostSeconds || mixed_signs) {
    violations->Add(field, absl::StrCat("has seconds ", seconds, " and nanos ",
                                        nanos, ", which is no valid duration"));
    return absl::ZeroDuration();
  }
  const absl::Duration value =
      absl::Seconds(seconds) + absl::Nanoseconds(nanos);
  if (value < absl::ZeroDuration()) {
    violations->Add(field, absl::StrCat("is ", absl::FormatDuration(value),
                                        "; must not be negative"));
  }
  return value;
}

void ReadRetry(const v1::RetryPolicy& retry,
               absl::Duration default_initial_backoff,
               core::MigrateOptions* migrate, Violations* violations) {
  if (retry.max_passes() > core::kMaxPasses) {
    violations->Add("options.retry.max_passes",
                    absl::StrCat("is ", retry.max_passes(), "; at most ",
                                 core::kMaxPasses));
  }
  if (retry.max_passes() != 0) migrate->max_passes = retry.max_passes();
  absl::Duration initial = default_initial_backoff;
  absl::Duration longest = core::kDefaultMaxBackoff;
  if (retry.has_initial_backoff()) {
    initial = ReadDuration(retry.initial_backoff(),
                           "options.retry.initial_backoff", violations);
    longest = std::max(longest, initial);
  }
  if (retry.has_max_backoff()) {
    longest = ReadDuration(retry.max_backoff(), "options.retry.max_backoff",
                           violations);
    if (!retry.has_initial_backoff()) initial = std::min(initial, longest);
  }
  if (longest < initial) {
    violations->Add(
        "options.retry.max_backoff",
        absl::StrCat("is ", absl::FormatDuration(longest),
                     "; must not be under initial_backoff, which is ",
                     absl::FormatDuration(initial)));
  }
  migrate->initial_backoff = initial;
  migrate->max_backoff = longest;
}

absl::Duration ReadTimeBudget(const v1::MigrationOptions& options,
                              Violations* violations) {
  if (!options.has_time_budget()) return absl::InfiniteDuration();
  const absl::Duration budget =
      ReadDuration(options.time_budget(), "options.time_budget", violations);
  if (budget == absl::ZeroDuration()) {
    violations->Add("options.time_budget",
                    "is 0; must be positive, or unset for none");
  }
  return budget;
}

}  // namespace

ProcessName ReadProcess(const v1::ProcessRef* process, const std::string& field,
                        Violations* violations) {
  ProcessName name;
  if (process == nullptr) {
    violations->Add(field, "is missing; name a process by its pid");
    return name;
  }
  name.pid = process->pid();
  if (process->has_start_time_ticks()) {
    name.start_time_ticks = process->start_time_ticks();
  }
  if (name.pid <= 0) {
    violations->Add(absl::StrCat(field, ".pid"),
                    absl::StrCat("is ", name.pid, "; must be positive"));
  }
  return name;
}

MigrationPlan ReadOptions(const v1::MigrationOptions& options,
                          absl::Duration default_initial_backoff,
                          Violations* violations) {
  MigrationPlan plan;
  plan.move.mode = static_cast<core::Mode>(ReadEnum<v1::MigrateMode>(
      options.mode(), v1::MigrateMode_IsValid(options.mode()), absl::nullopt,
      "options.mode",
      "MIGRATE_MODE_ASYNC, MIGRATE_MODE_SYNC_LIGHT, MIGRATE_MODE_SYNC",
      violations));
  plan.move.move_shared =
      ReadEnum<v1::SharedPages>(options.shared_pages(),
                                v1::SharedPages_IsValid(options.shared_pages()),
                                v1::SHARED_PAGES_LEAVE, "options.shared_pages",
                                "SHARED_PAGES_LEAVE, SHARED_PAGES_MOVE",
                                violations) == v1::SHARED_PAGES_MOVE;
  plan.move.validate_only = options.validate_only();
  plan.move.preferred_fidelity =
      static_cast<core::Fidelity>(ReadEnum<v1::ModeFidelity>(
          options.preferred_fidelity(),
          v1::ModeFidelity_IsValid(options.preferred_fidelity()),
          v1::MODE_FIDELITY_SCREENED, "options.preferred_fidelity",
          "MODE_FIDELITY_SCREENED, MODE_FIDELITY_KERNEL, MODE_FIDELITY_MODEL",
          violations));
  plan.result_detail = ReadEnum<v1::ResultDetail>(
      options.result_detail(),
      v1::ResultDetail_IsValid(options.result_detail()), v1::RESULT_DETAIL_ALL,
      "options.result_detail",
      "RESULT_DETAIL_ALL, RESULT_DETAIL_FAILURES, RESULT_DETAIL_SUMMARY",
      violations);
  plan.migrate.validate_only = options.validate_only();
  ReadRetry(options.retry(), default_initial_backoff, &plan.migrate,
            violations);
  plan.max_bytes_per_second = options.max_bytes_per_second();
  plan.time_budget = ReadTimeBudget(options, violations);
  return plan;
}

void CheckRequestId(const std::string& request_id, Violations* violations) {
  if (request_id.size() > core::kMaxRequestIdCharacters) {
    violations->Add("request_id", absl::StrCat("has ", request_id.size(),
                                               " characters; at most ",
                                               core::kMaxRequestIdCharacters));
    return;
  }
  const auto bad = std::find_if(request_id.begin(), request_id.end(),
                                [](char c) { return c <= ' ' || c > '~'; });
  if (bad == request_id.end()) return;
  violations->Add("request_id",
                  absl::StrCat("is \"", absl::CHexEscape(request_id),
                               "\", whose character ", bad - request_id.begin(),
                               " is not allowed; use printable ASCII "
                               "characters without spaces"));
}

}  // namespace pageferry::service
