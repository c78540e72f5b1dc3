#include "client/cli/output.h"

#include <sstream>

#include "client/cli/progress_bar.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "pageferry/error.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Failure(const absl::Status& status) {
  std::ostringstream err;
  PrintFailure(status, "unix:///there", /*json=*/false, err);
  return err.str();
}

TEST(TableTest, AlignsColumnsToTheirWidestCell) {
  Table table({"NAME", ">PAGES", "END"});
  table.AddRow({"a", "12345678", ""});
  table.AddRow({"longer", "1", "x"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "NAME       PAGES  END\n"
            "a       12345678\n"
            "longer         1  x\n");
}

TEST(PrintFailureTest, SaysEverythingThatTheDetailHas) {
  v1::ErrorDetail detail;
  detail.set_reason(v1::ERROR_REASON_REQUEST_ID_RUNNING);
  detail.set_migration_id("m-3");
  detail.mutable_retry_delay()->set_seconds(2);
  const std::string text = Failure(ToAbslStatus(
      Refuse(grpc::StatusCode::ALREADY_EXISTS, "night runs", detail)));
  EXPECT_THAT(
      text, AllOf(HasSubstr("ALREADY_EXISTS (REQUEST_ID_RUNNING)"),
                  HasSubstr("migration: m-3"), HasSubstr("try again after: 2s"),
                  HasSubstr("what to do: wait for that migration")));
}

TEST(PrintFailureTest, SaysEachViolationOnce) {
  v1::ErrorDetail detail;
  detail.set_reason(v1::ERROR_REASON_INVALID_REQUEST);
  const auto violate = [&detail](const char* field) {
    v1::FieldViolation* violation = detail.add_violations();
    violation->set_field(field);
    violation->set_description("is wrong");
  };
  const auto failure = [&detail](const char* message) {
    return Failure(ToAbslStatus(
        Refuse(grpc::StatusCode::INVALID_ARGUMENT, message, detail)));
  };
  violate("mode");
  EXPECT_THAT(failure("mode: is wrong"), Not(HasSubstr("  mode: is wrong")));
  violate("nodes");
  EXPECT_THAT(
      failure("mode: is wrong (and 1 other)"),
      AllOf(HasSubstr("  mode: is wrong"), HasSubstr("  nodes: is wrong")));
}

TEST(PrintFailureTest, LacksAdviceOnlyWhereThereIsNone) {
  EXPECT_THAT(Failure(absl::UnavailableError("no")),
              HasSubstr("may you open unix:///there"));
  EXPECT_THAT(Failure(absl::DeadlineExceededError("late")),
              HasSubstr("--timeout"));
  EXPECT_EQ(Failure(absl::CancelledError("you left")),
            "pageferry: CANCELLED: you left\n");
}

TEST(PrintFailureTest, UnknownReasonOfANewerDaemonIsItsNumber) {
  v1::ErrorDetail detail;
  detail.set_reason(static_cast<v1::ErrorReason>(99));
  const std::string text =
      Failure(ToAbslStatus(Refuse(grpc::StatusCode::ABORTED, "new", detail)));
  EXPECT_THAT(text, AllOf(HasSubstr("ABORTED (99): new"),
                          Not(HasSubstr("what to do"))));
}

TEST(ProgressBarTest, ShowsProgressAndWipesItselfAway) {
  std::ostringstream out;
  {
    ProgressBar bar(&out, /*enabled=*/true);
    bar.Update(1, 4);
    EXPECT_THAT(out.str(), HasSubstr(" 25% 1/4 pages"));
  }
  EXPECT_THAT(out.str(), HasSubstr("\r\x1b[K"));
}

TEST(ProgressBarTest, StaysSilentWhereItCannotHelp) {
  std::ostringstream out;
  ProgressBar(&out, /*enabled=*/false).Update(1, 4);
  ProgressBar(&out, /*enabled=*/true).Update(0, 0);
  EXPECT_EQ(out.str(), "");
}

}  // namespace
}  // namespace pageferry::client::cli
