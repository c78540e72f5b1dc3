// `pageferry locate` against a scripted daemon.

#include <string>
#include <thread>

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
using ::testing::IsEmpty;

class LocateTest : public testing::Test {
 protected:
  LocateTest() {
    daemon_.on_locate = [](const auto&, auto*, const auto& send) {
      v1::LocatePagesResponse response;
      response.set_pid(17);
      v1::PageLocation* location = response.add_locations();
      location->set_start_address(0x7000);
      location->set_page_count(512);
      location->set_resident(true);
      location->set_node(1);
      location->add_states(v1::PAGE_STATE_ANONYMOUS);
      location->add_states(v1::PAGE_STATE_THP);
      send(response);
      location->Clear();
      location->set_start_address(0x900000);
      location->set_page_count(3);
      location->set_unlocated_reason(v1::PAGE_REASON_NOT_PRESENT);
      *response.add_locations() = response.locations(0);
      send(response);
      return grpc::Status::OK;
    };
  }

  FakeDaemon daemon_;
  CommandRunner runner_{daemon_.endpoint()};
};

TEST_F(LocateTest, PrintsRunsAndTotalsForEachNode) {
  const CommandResult run = runner_.Run({"locate", "--pid", "17"});
  EXPECT_EQ(run.exit_code, kExitOk);
  EXPECT_EQ(run.err, "");
  EXPECT_THAT(run.out, AllOf(ContainsRegex("0x7000 +512 +1 +- +ANONYMOUS THP"),
                             ContainsRegex("0x900000 +3 +- +NOT_PRESENT"),
                             ContainsRegex("node 1 +512 +2.0 MiB"),
                             ContainsRegex("NOT_PRESENT +6 +-")));
}

TEST_F(LocateTest, WithoutAListAsksForAllThatIsResident) {
  runner_.Run({"locate", "--pid", "17", "--start-time", "5"});
  ASSERT_EQ(daemon_.locate_requests().size(), 1);
  const v1::LocatePagesRequest request = daemon_.locate_requests()[0];
  EXPECT_EQ(request.target().process().pid(), 17);
  EXPECT_EQ(request.target().process().start_time_ticks(), 5);
  EXPECT_EQ(request.ranges_size(), 0);
  EXPECT_EQ(request.addresses_size(), 0);
}

TEST_F(LocateTest, AsksForTheListedPages) {
  runner_.input = "0x3000\n";
  runner_.Run({"locate", "--pid", "17", "--range", "0x10000:2", "--address",
               "0x1000", "--pages-file", "-"});
  const v1::LocatePagesRequest request = daemon_.locate_requests().at(0);
  EXPECT_EQ(request.ranges_size(), 1);
  EXPECT_EQ(request.addresses_size(), 2);
}

TEST_F(LocateTest, LongListsBecomeSeveralRequests) {
  EXPECT_EQ(
      runner_.Run({"locate", "--pid", "17", "--range", "0:20000000"}).exit_code,
      kExitOk);
  EXPECT_EQ(daemon_.locate_requests().size(), 2);
}

TEST_F(LocateTest, JsonIsTheAnswersOfTheContract) {
  const CommandResult run = runner_.Run({"locate", "--pid", "17", "--json"});
  const auto responses = ParseJsonLines<v1::LocatePagesResponse>(run.out);
  ASSERT_EQ(responses.size(), 2);
  EXPECT_EQ(responses[0].locations(0).node(), 1);
  EXPECT_EQ(responses[1].locations_size(), 2);
}

TEST_F(LocateTest, RefusalIsExitCodeThree) {
  daemon_.on_locate = [](const auto&, auto*, const auto&) {
    v1::ErrorDetail detail;
    detail.set_reason(v1::ERROR_REASON_KERNEL_REFUSES);
    detail.set_missing("CAP_SYS_PTRACE");
    return Refuse(grpc::StatusCode::PERMISSION_DENIED, "the kernel refuses",
                  detail);
  };
  const CommandResult run = runner_.Run({"locate", "--pid", "17"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, HasSubstr("missing: CAP_SYS_PTRACE"));
}

TEST_F(LocateTest, BadListIsExitCodeFourAndNothingIsAsked) {
  const CommandResult run =
      runner_.Run({"locate", "--pid", "17", "--range", "0x1000:0"});
  EXPECT_EQ(run.exit_code, kExitUsage);
  EXPECT_THAT(run.err, HasSubstr("0x1000:0"));
  EXPECT_THAT(daemon_.locate_requests(), IsEmpty());
}

TEST_F(LocateTest, InterruptGivesUp) {
  daemon_.on_locate = [&](const auto&, grpc::ServerContext* context,
                          const auto&) {
    runner_.interrupter.Interrupt();
    while (!context->IsCancelled()) std::this_thread::yield();
    return grpc::Status::CANCELLED;
  };
  EXPECT_EQ(runner_.Run({"locate", "--pid", "17"}).exit_code, kExitFailed);
}

}  // namespace
}  // namespace pageferry::client::cli
