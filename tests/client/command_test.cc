// The small commands, and the command line, against a scripted daemon.

#include <cstdlib>
#include <string>
#include <vector>

#include "client/cli/exit_code.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/command_runner.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client::cli {
namespace {

using ::testing::AllOf;
using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class CommandTest : public testing::Test {
 protected:
  FakeDaemon daemon_;
  CommandRunner runner_{daemon_.endpoint()};
};

grpc::Status TwoNodes(const v1::GetTopologyRequest&,
                      v1::GetTopologyResponse* response) {
  v1::NodeInfo* fast = response->add_nodes();
  fast->set_has_cpu(true);
  fast->set_has_memory(true);
  fast->mutable_memory_usage()->set_total_bytes(uint64_t{2} << 30);
  fast->mutable_memory_usage()->set_free_bytes(512 << 20);
  fast->set_tier(4);
  fast->mutable_performance()->set_read_latency_ns(90);
  fast->add_demotion_order(1);
  fast->add_distances()->set_distance(10);
  v1::NodeDistance* far = fast->add_distances();
  far->set_to_node(1);
  far->set_distance(20);
  response->add_nodes()->set_node(1);
  return grpc::Status::OK;
}

TEST_F(CommandTest, TopologyIsATable) {
  daemon_.on_topology = TwoNodes;
  const CommandResult run = runner_.Run({"topology"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(
      run.out,
      AllOf(HasSubstr("NODE"),
            ContainsRegex("0 +yes +4 +2.0 GiB +512.0 MiB +90/- +- +1 +0:10 "
                          "1:20"),
            ContainsRegex("1 +no +- +- +-")));
}

TEST_F(CommandTest, TopologyJsonIsANodeALine) {
  daemon_.on_topology = TwoNodes;
  const auto nodes =
      ParseJsonLines<v1::NodeInfo>(runner_.Run({"topology", "--json"}).out);
  ASSERT_EQ(nodes.size(), 2);
  EXPECT_EQ(nodes[0].tier(), 4);
  EXPECT_EQ(nodes[1].node(), 1);
}

grpc::Status NotReady(const v1::GetCapabilitiesRequest&,
                      v1::GetCapabilitiesResponse* response) {
  response->set_backend("kernel");
  response->set_version("1.2.3");
  response->set_kernel_release("6.12.0");
  response->set_not_ready_reason("one node only");
  v1::ModeCapability* mode = response->add_modes();
  mode->set_mode(v1::MIGRATE_MODE_ASYNC);
  mode->add_fidelities(v1::MODE_FIDELITY_SCREENED);
  mode->add_fidelities(v1::MODE_FIDELITY_KERNEL);
  v1::Privilege* privilege = response->add_privileges();
  privilege->set_name("CAP_SYS_NICE");
  privilege->set_cost_of_lack("shared pages stay");
  response->add_visible_page_states(v1::PAGE_STATE_DIRTY);
  response->set_numa_balancing(true);
  response->mutable_limits()->set_pages_per_request(16'777'216);
  return grpc::Status::OK;
}

TEST_F(CommandTest, CapabilitiesSayWhatIsLackingAndWhatItCosts) {
  daemon_.on_capabilities = NotReady;
  const CommandResult run = runner_.Run({"capabilities"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("backend kernel, version 1.2.3, kernel 6.12.0"),
                    HasSubstr("NOT READY: one node only"),
                    HasSubstr("NUMA balancing on"),
                    HasSubstr("page states seen: DIRTY"),
                    ContainsRegex("ASYNC +SCREENED KERNEL"),
                    ContainsRegex("CAP_SYS_NICE +NO +shared pages stay"),
                    ContainsRegex("pages a request +16777216")));
}

TEST_F(CommandTest, CapabilitiesJsonIsTheAnswer) {
  daemon_.on_capabilities = NotReady;
  const auto answers = ParseJsonLines<v1::GetCapabilitiesResponse>(
      runner_.Run({"capabilities", "--json"}).out);
  ASSERT_EQ(answers.size(), 1);
  EXPECT_EQ(answers[0].not_ready_reason(), "one node only");
}

// Three migrations, one a page.
grpc::Status PagedMigrations(const v1::ListMigrationsRequest& request,
                             v1::ListMigrationsResponse* response) {
  const int page =
      request.page_token().empty() ? 0 : std::stoi(request.page_token());
  v1::MigrationInfo* migration = response->add_migrations();
  migration->set_migration_id("m-" + std::to_string(page));
  migration->set_state(page == 0 ? v1::MIGRATION_STATE_RUNNING
                                 : v1::MIGRATION_STATE_ENDED);
  migration->mutable_target()->mutable_process()->set_pid(17);
  migration->mutable_options()->set_mode(v1::MIGRATE_MODE_SYNC_LIGHT);
  migration->mutable_start_time()->set_seconds(86400 + page);
  migration->mutable_progress()->set_requested_pages(request.page_size());
  migration->mutable_progress()->set_stop_reason(
      v1::STOP_REASON_DESTINATION_FULL);
  if (page < 2) response->set_next_page_token(std::to_string(page + 1));
  return grpc::Status::OK;
}

TEST_F(CommandTest, ListFollowsTokensToTheEnd) {
  daemon_.on_list = PagedMigrations;
  const CommandResult run = runner_.Run({"list", "--page-size", "7"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(
      run.out,
      AllOf(ContainsRegex("m-0 +RUNNING +- +1970-01-02T00:00:00Z +"
                          "process 17 +SYNC_LIGHT +7 "),
            ContainsRegex("m-1 +ENDED +DESTINATION_FULL"), HasSubstr("m-2")));
}

TEST_F(CommandTest, ListJsonIsAMigrationALine) {
  daemon_.on_list = PagedMigrations;
  const auto migrations =
      ParseJsonLines<v1::MigrationInfo>(runner_.Run({"--json", "list"}).out);
  ASSERT_EQ(migrations.size(), 3);
  EXPECT_EQ(migrations[2].migration_id(), "m-2");
}

TEST_F(CommandTest, CancelPrintsTheMigration) {
  daemon_.on_cancel = [](const auto& request, auto* response) {
    response->mutable_migration()->set_migration_id(request.migration_id());
    response->mutable_migration()->set_state(v1::MIGRATION_STATE_RUNNING);
    return grpc::Status::OK;
  };
  const CommandResult run = runner_.Run({"cancel", "m-5"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(run.out, AllOf(HasSubstr("asked to stop"), HasSubstr("m-5")));
  const auto json = ParseJsonLines<v1::MigrationInfo>(
      runner_.Run({"cancel", "m-5", "--json"}).out);
  ASSERT_EQ(json.size(), 1);
  EXPECT_EQ(json[0].migration_id(), "m-5");
}

TEST_F(CommandTest, CancelOfAnEndedMigrationSaysSo) {
  daemon_.on_cancel = [](const auto&, auto* response) {
    response->mutable_migration()->set_state(v1::MIGRATION_STATE_ENDED);
    return grpc::Status::OK;
  };
  const CommandResult run = runner_.Run({"cancel", "m-5"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_THAT(run.out, HasSubstr("had ended already"));
}

TEST_F(CommandTest, CancelOfAnUnknownMigrationIsRefused) {
  daemon_.on_cancel = [](const auto&, auto*) {
    return Refuse(grpc::StatusCode::NOT_FOUND,
                  v1::ERROR_REASON_MIGRATION_NOT_FOUND, "no migration m-5");
  };
  const CommandResult run = runner_.Run({"cancel", "m-5"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, HasSubstr("pageferry list"));
}

TEST_F(CommandTest, HealthIsZeroOnlyWhenServing) {
  daemon_.SetServing("readiness", true);
  daemon_.SetServing("liveness", false);
  const CommandResult ready = runner_.Run({"health"});
  EXPECT_EQ(ready.exit_code, kExitOk);
  EXPECT_EQ(ready.out, "readiness: SERVING\n");
  const CommandResult alive = runner_.Run({"health", "--service", "liveness"});
  EXPECT_EQ(alive.exit_code, kExitNotServing);
  EXPECT_EQ(alive.out, "liveness: NOT_SERVING\n");
  EXPECT_EQ(runner_.Run({"health", "--json"}).out,
            "{\"status\":\"SERVING\"}\n");
}

TEST_F(CommandTest, HealthOfASilentDaemonIsOneInWords) {
  daemon_.Stop();
  const CommandResult run = runner_.Run({"health"});
  EXPECT_EQ(run.exit_code, kExitNotServing);
  EXPECT_THAT(run.err, HasSubstr("UNAVAILABLE"));
}

TEST_F(CommandTest, HealthOfAServiceThatIsNotThereIsOne) {
  const CommandResult run = runner_.Run({"health", "--service", "liveness"});
  EXPECT_EQ(run.exit_code, kExitNotServing);
  EXPECT_THAT(run.err, HasSubstr("NOT_FOUND"));
}

TEST_F(CommandTest, NoDaemonIsExitCodeThreeAndNamesTheEndpoint) {
  daemon_.Stop();
  for (const char* command : {"topology", "capabilities", "list"}) {
    const CommandResult run = runner_.Run({command});
    EXPECT_EQ(run.exit_code, kExitFailed);
    EXPECT_THAT(run.err, AllOf(HasSubstr("is pageferryd running"),
                               HasSubstr(daemon_.endpoint())));
  }
}

TEST_F(CommandTest, FailureInJsonIsTheStatusEnvelope) {
  const CommandResult run = runner_.Run({"list", "--json"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_EQ(run.out, "");
  const auto envelopes = ParseJsonLines<v1::Status>(run.err);
  ASSERT_EQ(envelopes.size(), 1);
  EXPECT_EQ(envelopes[0].code(), 12);
  v1::ErrorDetail detail;
  ASSERT_TRUE(envelopes[0].details(0).UnpackTo(&detail));
  EXPECT_EQ(detail.reason(), v1::ERROR_REASON_UNSUPPORTED);
}

TEST_F(CommandTest, ResultsThatCannotBeWrittenAreAFailure) {
  daemon_.on_topology = TwoNodes;
  std::istringstream in;
  std::ostream out(nullptr);
  std::ostringstream err;
  Console console{in, out, err};
  EXPECT_EQ(cli::Run({"--endpoint", daemon_.endpoint(), "topology"}, console,
                     runner_.interrupter),
            kExitFailed);
  EXPECT_THAT(err.str(), HasSubstr("cannot write"));
}

TEST_F(CommandTest, HelpAndVersionAreNoFailure) {
  EXPECT_THAT(runner_.Run({"--version"}).out, StartsWith("pageferry "));
  for (const char* command : {"migrate", "locate", "topology", "capabilities",
                              "list", "cancel", "health"}) {
    const CommandResult run = runner_.Run({command, "--help"});
    EXPECT_EQ(run.exit_code, kExitOk);
    EXPECT_THAT(run.out, HasSubstr(command));
  }
}

TEST_F(CommandTest, EndpointOfTheEnvironmentIsUsedWithoutTheOption) {
  daemon_.on_topology = TwoNodes;
  setenv("PAGEFERRY_ENDPOINT", daemon_.endpoint().c_str(), 1);
  std::istringstream in;
  std::ostringstream out;
  std::ostringstream err;
  Console console{in, out, err};
  EXPECT_EQ(cli::Run({"topology"}, console, runner_.interrupter), kExitOk);
  unsetenv("PAGEFERRY_ENDPOINT");
}

class UsageTest : public CommandTest,
                  public testing::WithParamInterface<std::vector<std::string>> {
};

TEST_P(UsageTest, WrongUsageIsExitCodeFourWithWords) {
  const CommandResult run = runner_.Run(GetParam());
  EXPECT_EQ(run.exit_code, kExitUsage);
  EXPECT_THAT(run.err, Not(""));
  EXPECT_TRUE(daemon_.migrate_requests().empty());
}

TEST_F(CommandTest, WrongWordsAreNamedWithTheRightOnes) {
  EXPECT_THAT(runner_.Run({"fly"}).err,
              HasSubstr("\"fly\" is no command; there are: migrate, locate, "));
  EXPECT_THAT(runner_.Run({"locate", "--pid", "init"}).err,
              HasSubstr("--pid: \"init\" is not a number from 1 on"));
}

using Arguments = std::vector<std::string>;

INSTANTIATE_TEST_SUITE_P(
    All, UsageTest,
    testing::Values(
        Arguments{}, Arguments{"fly"}, Arguments{"list", "--fast"},
        Arguments{"cancel"}, Arguments{"list", "--timeout", "soon"},
        Arguments{"list", "--timeout", "-1s"},
        Arguments{"list", "--timeout", "inf"},
        Arguments{"list", "--endpoint", "example.com:443"},
        Arguments{"health", "--service", "other"}, Arguments{"locate"},
        Arguments{"locate", "--pid", "0"}, Arguments{"locate", "--pid", "-3"},
        Arguments{"locate", "--pid", "1", "--cgroup", "/a"},
        Arguments{"locate", "--cgroup", "/a", "--address", "0"},
        Arguments{"locate", "--cgroup", "/a", "--start-time", "1"},
        Arguments{"migrate", "--cgroup", "/a", "--to", "1", "--mode", "sync",
                  "--address", "0"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "2", "--mode", "sync",
                  "--address", "0"},
        Arguments{"migrate", "--pid", "1", "--mode", "sync", "--all"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--all"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "fast",
                  "--all"},
        Arguments{"migrate", "--pid", "1", "--to", "-1", "--mode", "sync",
                  "--all"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync",
                  "--all", "--address", "0"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync",
                  "--address", "0", "--from", "0"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync",
                  "--address", "zero"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync",
                  "--address", "0", "--shared", "maybe"},
        Arguments{"migrate", "--pid", "1", "--to", "1", "--mode", "sync",
                  "--address", "0", "--time-budget", "0s"}));

}  // namespace
}  // namespace pageferry::client::cli
