#include "server/service/event_log.h"

#include <gtest/gtest.h>
#include <spdlog/sinks/ostream_sink.h>

#include <sstream>

namespace pageferry::service {
namespace {

class EventLogTest : public testing::Test {
 protected:
  EventLog NewLog(spdlog::level::level_enum level) {
    return EventLog(std::make_shared<spdlog::sinks::ostream_sink_mt>(text_),
                    level, &clock_);
  }

  core::FakeClock clock_;
  std::ostringstream text_;
};

TEST_F(EventLogTest, WritesOneObjectALine) {
  EventLog log = NewLog(spdlog::level::info);
  clock_.Advance(absl::Milliseconds(1500));
  log.Info("hello", {{"name", "x"},
                     {"count", 3},
                     {"big", uint64_t{18446744073709551615u}},
                     {"yes", true},
                     {"elapsed_seconds", absl::Milliseconds(250)}});
  log.Error("again");
  EXPECT_EQ(text_.str(),
            "{\"time\":\"1970-01-01T00:00:01.500Z\",\"level\":\"info\","
            "\"message\":\"hello\",\"name\":\"x\",\"count\":3,"
            "\"big\":18446744073709551615,\"yes\":true,"
            "\"elapsed_seconds\":0.25}\n"
            "{\"time\":\"1970-01-01T00:00:01.500Z\",\"level\":\"error\","
            "\"message\":\"again\"}\n");
}

TEST_F(EventLogTest, DropsLinesUnderItsLevel) {
  EventLog log = NewLog(spdlog::level::warn);
  log.Info("small");
  EXPECT_EQ(text_.str(), "");
  log.Warning("big");
  EXPECT_NE(text_.str().find("\"level\":\"warning\""), std::string::npos);
}

TEST_F(EventLogTest, PatternCharactersAreText) {
  EventLog log = NewLog(spdlog::level::info);
  log.Info("100%v {}", {{"{}", "%t"}});
  EXPECT_NE(text_.str().find("\"message\":\"100%v {}\",\"{}\":\"%t\""),
            std::string::npos);
}

TEST(JsonStringTest, EscapesWhatJsonAsksFor) {
  EXPECT_EQ(JsonString("a\"b\\c\n\t\x01/"), R"("a\"b\\c\n\t\u0001/")");
  EXPECT_EQ(JsonString(absl::string_view("\0", 1)), R"("\u0000")");
  EXPECT_EQ(JsonString(""), "\"\"");
}

TEST(JsonStringTest, KeepsValidUtf8) {
  const std::string text = "\xc3\xa9 \xe2\x82\xac \xf0\x9f\x90\xb4";
  EXPECT_EQ(JsonString(text), "\"" + text + "\"");
}

TEST(JsonStringTest, ReplacesWhatIsNoUtf8) {
  EXPECT_EQ(JsonString("\xff"), R"("\ufffd")");
  EXPECT_EQ(JsonString("a\xc3"), R"("a\ufffd")");
  EXPECT_EQ(JsonString("\xc0\xaf"), R"("\ufffd\ufffd")");
  EXPECT_EQ(JsonString("\xed\xa0\x80"), R"("\ufffd\ufffd\ufffd")");
  EXPECT_EQ(JsonString("\xf5\x80\x80\x80"), R"("\ufffd\ufffd\ufffd\ufffd")");
}

}  // namespace
}  // namespace pageferry::service
