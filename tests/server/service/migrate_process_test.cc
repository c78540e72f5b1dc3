// MigrateProcess through a real server, over processes that a test scripts.

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>

#include "server/core/refusal.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using core::NodeId;
using core::Reason;
using grpc::StatusCode;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class MigrateProcessTest : public ServiceTest {
 protected:
  static constexpr char kCgroup[] = "/kubepods/pod1";

  static v1::MigrateProcessRequest FromTo(std::vector<int32_t> from,
                                          std::vector<int32_t> to) {
    v1::MigrateProcessRequest request;
    request.mutable_target()->mutable_process()->set_pid(kPid);
    request.mutable_source_nodes()->Add(from.begin(), from.end());
    request.mutable_destination_nodes()->Add(to.begin(), to.end());
    request.mutable_options()->set_mode(v1::MIGRATE_MODE_SYNC);
    return request;
  }

  static v1::MigrateProcessRequest OfCgroup() {
    v1::MigrateProcessRequest request = FromTo({0}, {1});
    request.mutable_target()->set_cgroup(kCgroup);
    return request;
  }

  // Some pages on node 0 for each of the processes, all in the cgroup.
  void FillCgroup(std::vector<int32_t> pids, uint64_t pages) {
    for (int32_t pid : pids) {
      backend_.AddPages(pid, kAddress, pages, {NodeId(0)});
      backend_.AddToCgroup(kCgroup, pid);
    }
  }

  MigrationRecord MigrateAll(const v1::MigrateProcessRequest& request) {
    grpc::ClientContext context;
    const auto reader = migrations_->MigrateProcess(&context, request);
    MigrationRecord record;
    v1::MigrateProcessResponse response;
    while (reader->Read(&response)) record.Add(response.event());
    record.status = reader->Finish();
    return record;
  }

  static std::vector<int32_t> PidsOf(const MigrationRecord& record) {
    std::vector<int32_t> pids;
    for (const v1::ProcessRef& process : record.started.processes()) {
      pids.push_back(process.pid());
    }
    return pids;
  }

  static std::vector<int32_t> JoinedIn(const MigrationRecord& record) {
    std::vector<int32_t> pids;
    for (const v1::MigrationEvent& event : record.events) {
      if (event.has_process_joined()) {
        pids.push_back(event.process_joined().process().pid());
      }
    }
    return pids;
  }

  // The fields that a refusal of `request` names.
  std::vector<std::string> ViolationsOf(
      const v1::MigrateProcessRequest& request) {
    const MigrationRecord record = MigrateAll(request);
    EXPECT_EQ(record.status.error_code(), StatusCode::INVALID_ARGUMENT);
    std::vector<std::string> fields;
    const v1::ErrorDetail detail = DetailOf(record.status);
    for (const auto& violation : detail.violations()) {
      fields.push_back(violation.field());
    }
    return fields;
  }
};

TEST_F(MigrateProcessTest, MovesWhatIsOnTheSourcesAndReportsEachPageOnce) {
  backend_.AddPages(kPid, kAddress, 100, {NodeId(0)});
  backend_.AddPages(kPid, kAddress + (100 << 12), 50, {NodeId(2)});
  backend_.AddPages(kPid, kAddress + (200 << 12), 3,
                    {NodeId(0), Reason::kPinned});
  Start();
  const MigrationRecord record = MigrateAll(FromTo({0}, {1}));
  ASSERT_TRUE(record.status.ok()) << record.status.error_message();
  EXPECT_FALSE(record.started.has_page_count());
  EXPECT_THAT(PidsOf(record), ElementsAre(kPid));
  EXPECT_EQ(record.summary->requested_pages(), 103u);
  EXPECT_EQ(record.summary->moved_pages(), 100u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_MOVED), 100u);
  EXPECT_EQ(record.PagesWith(v1::PAGE_OUTCOME_FAILED), 3u);
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
  EXPECT_EQ(backend_.NodeOf(kPid, kAddress), NodeId(1));
  EXPECT_EQ(backend_.NodeOf(kPid, kAddress + (100 << 12)), NodeId(2));
  for (const v1::MigrationEvent& event : record.events) {
    if (event.has_results()) {
      EXPECT_EQ(event.results().pid(), kPid);
    }
  }
}

TEST_F(MigrateProcessTest, ListsItsTarget) {
  FillCgroup({10}, 5);
  Start();
  MigrateAll(OfCgroup());
  grpc::ClientContext context;
  v1::ListMigrationsResponse list;
  ASSERT_TRUE(migrations_->ListMigrations(&context, {}, &list).ok());
  ASSERT_EQ(list.migrations_size(), 1);
  EXPECT_EQ(list.migrations(0).target().cgroup(), kCgroup);
  EXPECT_EQ(list.migrations(0).progress().moved_pages(), 5u);
}

TEST_F(MigrateProcessTest, EveryProcessOfACgroupIsMigrated) {
  FillCgroup({10, 11, 12}, 20);
  Start();
  const MigrationRecord record = MigrateAll(OfCgroup());
  ASSERT_TRUE(record.status.ok()) << record.status.error_message();
  EXPECT_THAT(PidsOf(record), UnorderedElementsAre(10, 11, 12));
  EXPECT_EQ(record.summary->moved_pages(), 60u);
  for (int32_t pid : {10, 11, 12}) {
    EXPECT_EQ(backend_.NodeOf(pid, kAddress), NodeId(1)) << pid;
  }
}

TEST_F(MigrateProcessTest, AProcessThatAppearsInTheCgroupJoins) {
  FillCgroup({10}, 20);
  Start();
  backend_.call_gate().Close();
  std::thread newcomer([&] {
    backend_.call_gate().AwaitWaiting(1);
    FillCgroup({15}, 7);
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(OfCgroup());
  newcomer.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_THAT(PidsOf(record), ElementsAre(10));
  EXPECT_THAT(JoinedIn(record), ElementsAre(15));
  EXPECT_EQ(record.summary->moved_pages(), 27u);
}

TEST_F(MigrateProcessTest, AProcessOfACgroupThatEndsDoesNotEndTheOthers) {
  FillCgroup({10, 11}, 20);
  Start();
  backend_.call_gate().Close();
  std::thread ending([&] {
    backend_.call_gate().AwaitWaiting(1);
    backend_.EndProcess(10);
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(OfCgroup());
  ending.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
  EXPECT_EQ(record.summary->moved_pages(), 20u);
  EXPECT_EQ(record.summary->not_attempted_pages(), 20u);
  EXPECT_EQ(backend_.NodeOf(11, kAddress), NodeId(1));
}

TEST_F(MigrateProcessTest, AZombieOfACgroupIsLeftOut) {
  FillCgroup({10, 12}, 20);
  FakeProcess zombie;
  zombie.open_status =
      core::Refuse(core::RefusalReason::kTargetNotMovable, "a zombie");
  backend_.AddProcess(11, zombie);
  backend_.AddToCgroup(kCgroup, 11);
  Start();
  const MigrationRecord record = MigrateAll(OfCgroup());
  ASSERT_TRUE(record.status.ok()) << record.status.error_message();
  EXPECT_THAT(PidsOf(record), ElementsAre(10, 12));
  EXPECT_EQ(record.summary->moved_pages(), 40u);
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
}

TEST_F(MigrateProcessTest, AProcessThatBecomesAZombieMeanwhileEndsNothing) {
  FillCgroup({10, 11, 12}, 20);
  Start();
  backend_.call_gate().Close();
  std::thread dying([&] {
    backend_.call_gate().AwaitWaiting(1);
    FakeProcess zombie;
    zombie.open_status =
        core::Refuse(core::RefusalReason::kTargetNotMovable, "a zombie");
    backend_.AddProcess(11, zombie);
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(OfCgroup());
  dying.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
  EXPECT_EQ(record.summary->moved_pages(), 40u);
}

TEST_F(MigrateProcessTest, ANewcomerThatMayNotGoThereSaysSoPageByPage) {
  FillCgroup({10}, 20);
  Start();
  backend_.call_gate().Close();
  std::thread newcomer([&] {
    backend_.call_gate().AwaitWaiting(1);
    FakeProcess narrow;
    narrow.mover_status =
        core::Refuse(core::RefusalReason::kNodeNotAllowed, "narrow");
    backend_.AddProcess(15, narrow);
    FillCgroup({15}, 7);
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(OfCgroup());
  newcomer.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_THAT(JoinedIn(record), ElementsAre(15));
  EXPECT_EQ(record.summary->moved_pages(), 20u);
  EXPECT_EQ(record.summary->failed_pages(), 7u);
  ASSERT_EQ(record.summary->failures_size(), 1);
  EXPECT_EQ(record.summary->failures(0).reason(), v1::PAGE_REASON_CPUSET);
}

TEST_F(MigrateProcessTest, AnEmptyCgroupIsDoneAtOnce) {
  backend_.AddToCgroup(kCgroup, 10);
  backend_.AddProcess(10, {});
  backend_.EndProcess(10);
  Start();
  const MigrationRecord record = MigrateAll(OfCgroup());
  ASSERT_TRUE(record.status.ok()) << record.status.error_message();
  EXPECT_EQ(record.summary->requested_pages(), 0u);
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_COMPLETED);
}

TEST_F(MigrateProcessTest, AProcessThatEndsStopsItsMigration) {
  backend_.AddPages(kPid, kAddress, 2000, {NodeId(0)});
  Start();
  backend_.call_gate().Close();
  std::thread ending([&] {
    backend_.call_gate().AwaitWaiting(1);
    backend_.EndProcess(kPid);
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(FromTo({0}, {1}));
  ending.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_PROCESS_EXITED);
  EXPECT_EQ(record.summary->not_attempted_pages(), 2000u);
}

TEST_F(MigrateProcessTest, IsCancelledBetweenCalls) {
  backend_.AddPages(kPid, kAddress, 5000, {NodeId(0)});
  Start();
  backend_.call_gate().Close();
  std::thread cancelling([&] {
    backend_.call_gate().AwaitWaiting(1);
    for (const auto& migration : registry_->List()) {
      migration->control().RequestStop(core::StopReason::kCancelled);
    }
    backend_.call_gate().Open();
  });
  const MigrationRecord record = MigrateAll(FromTo({0}, {1}));
  cancelling.join();
  ASSERT_TRUE(record.status.ok());
  EXPECT_EQ(record.summary->stop_reason(), v1::STOP_REASON_CANCELLED);
  EXPECT_EQ(record.summary->moved_pages(), 512u);
  EXPECT_EQ(record.summary->requested_pages(), 5000u);
}

TEST_F(MigrateProcessTest, ACgroupMemberThatIsRefusedRefusesTheCall) {
  FillCgroup({10, 11}, 5);
  FakeProcess denied;
  denied.open_status =
      core::Refuse(core::RefusalReason::kKernelRefuses, "not 12");
  backend_.AddProcess(12, denied);
  backend_.AddToCgroup(kCgroup, 12);
  Start();
  const MigrationRecord record = MigrateAll(OfCgroup());
  EXPECT_EQ(record.status.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_TRUE(record.events.empty());
  EXPECT_EQ(backend_.NodeOf(10, kAddress), NodeId(0));
}

TEST_F(MigrateProcessTest, TargetsThatAreNotThereAreNotFound) {
  backend_.EndProcess(kPid);
  Start();
  EXPECT_EQ(DetailOf(MigrateAll(FromTo({0}, {1})).status).reason(),
            v1::ERROR_REASON_PROCESS_NOT_FOUND);
  EXPECT_EQ(DetailOf(MigrateAll(OfCgroup()).status).reason(),
            v1::ERROR_REASON_CGROUP_NOT_FOUND);
}

TEST_F(MigrateProcessTest, PodsAndContainersAreNotResolvedYet) {
  Start();
  v1::MigrateProcessRequest request = FromTo({0}, {1});
  request.mutable_target()->set_pod_uid("uid");
  EXPECT_EQ(MigrateAll(request).status.error_code(), StatusCode::UNIMPLEMENTED);
}

TEST_F(MigrateProcessTest, NamesEveryFieldThatIsWrong) {
  Start();
  EXPECT_THAT(ViolationsOf({}),
              UnorderedElementsAre("target", "source_nodes",
                                   "destination_nodes", "options.mode"));
  v1::MigrateProcessRequest request = FromTo({0, 7}, {9});
  request.add_fallback_nodes(0);
  request.add_fallback_nodes(2);
  request.add_fallback_nodes(2);
  EXPECT_THAT(ViolationsOf(request),
              UnorderedElementsAre("source_nodes[1]", "destination_nodes[0]",
                                   "fallback_nodes[0]", "fallback_nodes[2]"));
  request = FromTo({0}, {1});
  for (const std::string path : {"", "kubepods", "/a/../b", "/./a"}) {
    request.mutable_target()->set_cgroup(path);
    EXPECT_THAT(ViolationsOf(request), ElementsAre("target.cgroup")) << path;
  }
}

TEST_F(MigrateProcessTest, LocatesWhatEveryProcessOfACgroupHas) {
  FillCgroup({10, 11}, 5);
  backend_.AddToCgroup(kCgroup, 12);
  backend_.AddProcess(12, {});
  backend_.EndProcess(12);
  Start();
  v1::LocatePagesRequest request;
  request.mutable_target()->set_cgroup(kCgroup);
  grpc::ClientContext context;
  const auto reader = migrations_->LocatePages(&context, request);
  std::map<int32_t, uint64_t> pages;
  v1::LocatePagesResponse response;
  while (reader->Read(&response)) {
    for (const v1::PageLocation& location : response.locations()) {
      pages[response.pid()] += location.page_count();
    }
  }
  EXPECT_TRUE(reader->Finish().ok());
  EXPECT_THAT(pages, ElementsAre(testing::Pair(10, 5), testing::Pair(11, 5)));
}

}  // namespace
}  // namespace pageferry::service
