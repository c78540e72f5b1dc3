// What Ctrl-C does to `pageferry migrate`.

#include <atomic>
#include <string>
#include <thread>

#include "client/cli/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/migrate_case.h"

namespace pageferry::client::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// A migration that lasts until CancelMigration comes, or the client leaves.
class InterruptedMigrateTest : public MigrateTest {
 protected:
  InterruptedMigrateTest() {
    daemon_.on_migrate = [this](const auto& request,
                                grpc::ServerContext* context,
                                const auto& send) {
      send(StartedEvent("m-9", PagesOf(request)));
      while (!cancelled_ && !context->IsCancelled()) {
        send(ResultEvent(0, 1, v1::PAGE_OUTCOME_MOVED));
      }
      left_.Notify();
      if (!cancelled_) return grpc::Status::CANCELLED;
      v1::MigrationSummary summary;
      summary.set_requested_pages(2);
      summary.set_moved_pages(1);
      summary.set_not_attempted_pages(1);
      *summary.add_failures() = Count(v1::PAGE_REASON_CANCELLED, 1);
      summary.set_stop_reason(v1::STOP_REASON_CANCELLED);
      send(SummaryEvent(summary));
      return grpc::Status::OK;
    };
  }

  // Ctrl-C `times` times, the first when the migration is known to run.
  void InterruptOnceStarted(int times) {
    runner_.on_flush = [this, times] {
      if (interrupts_++ < times) runner_.interrupter.Interrupt();
    };
  }

  Event left_;
  std::atomic<bool> cancelled_ = false;
  int interrupts_ = 0;
};

TEST_F(InterruptedMigrateTest, FirstInterruptCancelsByNameAndGetsTheSummary) {
  daemon_.on_cancel = [this](const auto&, auto*) {
    cancelled_ = true;
    return grpc::Status::OK;
  };
  InterruptOnceStarted(1);
  const CommandResult run = Migrate({"--json", "--range", "0:20000000"});
  EXPECT_EQ(run.exit_code, kExitPagesLeft);
  const auto events = ParseJsonLines<v1::MigrationEvent>(run.out);
  EXPECT_EQ(events.back().summary().stop_reason(), v1::STOP_REASON_CANCELLED);
  EXPECT_THAT(run.err, HasSubstr("pages not asked for: 3222784\n"));
  ASSERT_EQ(daemon_.cancel_requests().size(), 1);
  EXPECT_EQ(daemon_.cancel_requests()[0].migration_id(), "m-9");
  EXPECT_EQ(daemon_.migrate_requests().size(), 1);
}

TEST_F(InterruptedMigrateTest, SecondInterruptGivesUp) {
  daemon_.on_cancel = [](const auto&, auto*) { return grpc::Status::OK; };
  InterruptOnceStarted(2);
  const CommandResult run = Migrate({"--json", "--range", "0:2"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, AllOf(HasSubstr("\"code\":1"),
                             HasSubstr("may or may not have moved: 2\n")));
  EXPECT_TRUE(left_.Wait());
}

TEST_F(InterruptedMigrateTest, GivesUpWhereTheDaemonCannotCancel) {
  InterruptOnceStarted(1);  // CancelMigration answers UNIMPLEMENTED
  EXPECT_EQ(Migrate({"--json", "--range", "0:2"}).exit_code, kExitFailed);
  EXPECT_EQ(daemon_.cancel_requests().size(), 1);
  EXPECT_TRUE(left_.Wait());
}

TEST_F(MigrateTest, InterruptBeforeTheStartGivesUpAtOnce) {
  daemon_.on_migrate = [&](const auto&, grpc::ServerContext* context,
                           const auto&) {
    runner_.interrupter.Interrupt();
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  const CommandResult run = Migrate({"--range", "0:2"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, HasSubstr("pages not asked for: 2\n"));
  EXPECT_THAT(daemon_.cancel_requests(), IsEmpty());
}

TEST_F(MigrateTest, InterruptThatNobodyTakesIsReported) {
  EXPECT_FALSE(runner_.interrupter.Interrupt());
  Migrate({"--address", "0"});
  EXPECT_FALSE(runner_.interrupter.Interrupt());
}

}  // namespace
}  // namespace pageferry::client::cli
