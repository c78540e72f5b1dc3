// A scripted daemon and `pageferry migrate`.

#ifndef PAGEFERRY_TESTS_CLIENT_MIGRATE_CASE_H_
#define PAGEFERRY_TESTS_CLIENT_MIGRATE_CASE_H_

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/client/command_runner.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client::cli {

// Every migration moves all, until a test says otherwise.
class MigrateTest : public testing::Test {
 protected:
  MigrateTest() { daemon_.on_migrate = MoveAll; }

  // `pageferry migrate` of process 17 to node 1.
  CommandResult Migrate(std::vector<std::string> more) {
    more.insert(more.begin(),
                {"migrate", "--pid", "17", "--to", "1", "--mode", "sync"});
    return runner_.Run(more);
  }

  v1::MigratePagesRequest OnlyRequest() {
    EXPECT_EQ(daemon_.migrate_requests().size(), 1);
    return daemon_.migrate_requests().at(0);
  }

  // From now on every migration ends with `summary`.
  void Summarize(const v1::MigrationSummary& summary) {
    daemon_.on_migrate = [summary](const auto&, auto*, const auto& send) {
      send(StartedEvent("m-1", summary.requested_pages()));
      send(SummaryEvent(summary));
      return grpc::Status::OK;
    };
  }

  FakeDaemon daemon_;
  CommandRunner runner_{daemon_.endpoint()};
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_TESTS_CLIENT_MIGRATE_CASE_H_
