#include "server/service/event_log.h"

#include <cstddef>
#include <utility>

#include "absl/strings/str_format.h"

namespace pageferry::service {
namespace {

// The length of the UTF-8 character at the beginning of `text`, 0 where there
// is no valid one (RFC 3629: no overlong forms, no surrogates).
size_t CharacterLength(absl::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0u;
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xc0u) == 0x80u; };
  const unsigned first = byte(0);
  if (first < 0x80) return 1;
  if (first >= 0xc2 && first <= 0xdf) return continues(1) ? 2 : 0;
  if (first >= 0xe0 && first <= 0xef) {
    if (first == 0xe0 && byte(1) < 0xa0) return 0;
    if (first == 0xed && byte(1) > 0x9f) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first >= 0xf0 && first <= 0xf4) {
    if (first == 0xf0 && byte(1) < 0x90) return 0;
    if (first == 0xf4 && byte(1) > 0x8f) return 0;
    return continues(1) && continues(2) && continues(3) ? 4 : 0;
  }
  return 0;
}

void AppendCharacter(absl::string_view character, std::string* out) {
  switch (character[0]) {
    case '"':
      out->append("\\\"");
      return;
    case '\\':
      out->append("\\\\");
      return;
    case '\n':
      out->append("\\n");
      return;
    case '\t':
      out->append("\\t");
      return;
    default:
      if (static_cast<unsigned char>(character[0]) < 0x20) {
        absl::StrAppendFormat(out, "\\u%04x", character[0]);
      } else {
        absl::StrAppend(out, character);
      }
  }
}

absl::string_view LevelName(spdlog::level::level_enum level) {
  const spdlog::string_view_t name = spdlog::level::to_string_view(level);
  return absl::string_view(name.data(), name.size());
}

}  // namespace

std::string JsonString(absl::string_view text) {
  std::string out = "\"";
  while (!text.empty()) {
    const size_t length = CharacterLength(text);
    if (length == 0) {
      out.append("\\ufffd");
      text.remove_prefix(1);
    } else {
      AppendCharacter(text.substr(0, length), &out);
      text.remove_prefix(length);
    }
  }
  out.push_back('"');
  return out;
}

EventLog::EventLog(spdlog::sink_ptr sink, spdlog::level::level_enum level,
                   core::Clock* clock)
    : clock_(clock), logger_("pageferryd", std::move(sink)) {
  logger_.set_pattern("%v");
  logger_.set_level(level);
  logger_.flush_on(spdlog::level::trace);
}

void EventLog::Info(absl::string_view message,
                    std::initializer_list<LogField> fields) {
  Write(spdlog::level::info, message, fields);
}

void EventLog::Warning(absl::string_view message,
                       std::initializer_list<LogField> fields) {
  Write(spdlog::level::warn, message, fields);
}

void EventLog::Error(absl::string_view message,
                     std::initializer_list<LogField> fields) {
  Write(spdlog::level::err, message, fields);
}

void EventLog::Write(spdlog::level::level_enum level, absl::string_view message,
                     std::initializer_list<LogField> fields) {
  if (!logger_.should_log(level)) return;
  std::string line =
      absl::StrCat("{\"time\":\"",
                   absl::FormatTime("%E4Y-%m-%dT%H:%M:%E3SZ",
                                    clock_->WallTime(), absl::UTCTimeZone()),
                   "\",\"level\":", JsonString(LevelName(level)),
                   ",\"message\":", JsonString(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, ",", JsonString(field.name()), ":", field.json());
  }
  line.push_back('}');
  logger_.log(level, line);
}

}  // namespace pageferry::service
