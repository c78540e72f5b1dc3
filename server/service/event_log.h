// The daemon's log: one JSON object a line, for people and for programs.
//
//   {"time":"2026-01-02T03:04:05.678Z","level":"info",
//    "message":"migration ended","migration_id":"...","moved_pages":512}

#ifndef PAGEFERRY_SERVER_SERVICE_EVENT_LOG_H_
#define PAGEFERRY_SERVER_SERVICE_EVENT_LOG_H_

#include <spdlog/logger.h>

#include <concepts>
#include <initializer_list>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/core/clock.h"

namespace pageferry::service {

// `text` as a JSON string, quotes included. What is not valid UTF-8 becomes
// U+FFFD.
std::string JsonString(absl::string_view text);

// A name and a value of a line.
class LogField {
 public:
  LogField(absl::string_view name, absl::string_view value)
      : name_(name), json_(JsonString(value)) {}
  LogField(absl::string_view name, const char* value)
      : LogField(name, absl::string_view(value)) {}
  LogField(absl::string_view name, const std::string& value)
      : LogField(name, absl::string_view(value)) {}
  LogField(absl::string_view name, bool value)
      : name_(name), json_(value ? "true" : "false") {}
  LogField(absl::string_view name, std::integral auto value)
      : name_(name), json_(absl::StrCat(value)) {}
  // In seconds.
  LogField(absl::string_view name, absl::Duration value)
      : name_(name), json_(absl::StrCat(absl::ToDoubleSeconds(value))) {}

  const std::string& name() const { return name_; }
  const std::string& json() const { return json_; }

 private:
  std::string name_;
  std::string json_;
};

// Thread-safe. Blocks for as long as the sink does.
class EventLog {
 public:
  // Lines under `level` are dropped. `clock` must outlive this.
  EventLog(spdlog::sink_ptr sink, spdlog::level::level_enum level,
           core::Clock* clock);

  void Info(absl::string_view message,
            std::initializer_list<LogField> fields = {});
  void Warning(absl::string_view message,
               std::initializer_list<LogField> fields = {});
  void Error(absl::string_view message,
             std::initializer_list<LogField> fields = {});

 private:
  void Write(spdlog::level::level_enum level, absl::string_view message,
             std::initializer_list<LogField> fields);

  core::Clock* const clock_;
  spdlog::logger logger_;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_EVENT_LOG_H_
