// `pageferry migrate` against a scripted daemon.

#include <atomic>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/cli/exit_code.h"
#include "client/cli/words.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/migrate_case.h"

namespace pageferry::client::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

v1::MigrationSummary FailedWith(v1::PageReason reason, uint64_t pages) {
  v1::MigrationSummary summary;
  summary.set_requested_pages(pages);
  summary.set_failed_pages(pages);
  *summary.add_failures() = Count(reason, pages);
  summary.set_stop_reason(v1::STOP_REASON_COMPLETED);
  return summary;
}

TEST_F(MigrateTest, AsksForWhatTheCommandLineSays) {
  EXPECT_EQ(Migrate({"--start-time",  "99",      "--fallback", "2",
                     "--fallback",    "3",       "--range",    "0x10000:4",
                     "--address",     "0x40000", "--shared",   "move",
                     "--max-passes",  "5",       "--detail",   "failures",
                     "--time-budget", "1500ms",  "--rate",     "64M",
                     "--request-id",  "night",   "--dry-run",  "--fidelity",
                     "kernel"})
                .exit_code,
            kExitOk);
  const v1::MigratePagesRequest request = OnlyRequest();
  EXPECT_EQ(request.process().pid(), 17);
  EXPECT_EQ(request.process().start_time_ticks(), 99);
  EXPECT_EQ(request.request_id(), "night");
  ASSERT_EQ(request.batches_size(), 1);
  const v1::PageBatch& batch = request.batches(0);
  EXPECT_EQ(batch.destination_node(), 1);
  EXPECT_THAT(batch.fallback_nodes(), ElementsAre(2, 3));
  ASSERT_EQ(batch.ranges_size(), 1);
  EXPECT_EQ(batch.ranges(0).start_address(), 0x10000);
  EXPECT_EQ(batch.ranges(0).page_count(), 4);
  EXPECT_THAT(batch.addresses(), ElementsAre(0x40000));
  const v1::MigrationOptions& options = request.options();
  EXPECT_EQ(options.mode(), v1::MIGRATE_MODE_SYNC);
  EXPECT_EQ(options.shared_pages(), v1::SHARED_PAGES_MOVE);
  EXPECT_EQ(options.retry().max_passes(), 5);
  EXPECT_EQ(options.result_detail(), v1::RESULT_DETAIL_FAILURES);
  EXPECT_EQ(ToDuration(options.time_budget()), absl::Milliseconds(1500));
  EXPECT_EQ(options.max_bytes_per_second(), 64 << 20);
  EXPECT_TRUE(options.validate_only());
  EXPECT_EQ(options.preferred_fidelity(), v1::MODE_FIDELITY_KERNEL);
}

TEST_F(MigrateTest, LeavesWhatIsNotSaidToTheDaemon) {
  Migrate({"--address", "4096"});
  const v1::MigrationOptions options = OnlyRequest().options();
  EXPECT_EQ(options.shared_pages(), v1::SHARED_PAGES_UNSPECIFIED);
  EXPECT_EQ(options.result_detail(), v1::RESULT_DETAIL_UNSPECIFIED);
  EXPECT_EQ(options.preferred_fidelity(), v1::MODE_FIDELITY_UNSPECIFIED);
  EXPECT_FALSE(options.has_retry());
  EXPECT_FALSE(options.has_time_budget());
  EXPECT_FALSE(OnlyRequest().process().has_start_time_ticks());
}

TEST_F(MigrateTest, EveryModeHasItsName) {
  for (const auto& [name, mode] :
       {std::pair("sync", v1::MIGRATE_MODE_SYNC),
        std::pair("sync-light", v1::MIGRATE_MODE_SYNC_LIGHT),
        std::pair("async", v1::MIGRATE_MODE_ASYNC)}) {
    runner_.Run({"migrate", "--pid", "1", "--to", "0", "--mode", name,
                 "--address", "0"});
    EXPECT_EQ(daemon_.migrate_requests().back().options().mode(), mode);
  }
}

TEST_F(MigrateTest, ReadsPagesFromStandardInput) {
  runner_.input = "0x1000 # first\n0x4000:2\n";
  EXPECT_EQ(Migrate({"--pages-file", "-"}).exit_code, kExitOk);
  EXPECT_EQ(PagesOf(OnlyRequest()), 3);
}

TEST_F(MigrateTest, PagesFileErrorNamesTheLineAndNothingIsAsked) {
  runner_.input = "0x1000\n0x4000:none\n";
  const CommandResult result = Migrate({"--pages-file", "-"});
  EXPECT_EQ(result.exit_code, kExitUsage);
  EXPECT_THAT(result.err, HasSubstr("standard input:2: \"0x4000:none\""));
  EXPECT_THAT(daemon_.migrate_requests(), IsEmpty());
}

TEST_F(MigrateTest, AbsentPagesAreNoFailure) {
  for (const v1::PageReason reason :
       {v1::PAGE_REASON_NOT_PRESENT, v1::PAGE_REASON_NOT_MAPPED,
        v1::PAGE_REASON_SWAPPED_OUT, v1::PAGE_REASON_ZERO_PAGE}) {
    Summarize(FailedWith(reason, 3));
    const CommandResult result = Migrate({"--address", "0"});
    EXPECT_EQ(result.exit_code, kExitOk) << result.out;
    EXPECT_THAT(result.out, HasSubstr(Word(reason)));
  }
}

TEST_F(MigrateTest, PagesThatExistAndStayedAreExitCodeTwo) {
  v1::MigrationSummary summary = FailedWith(v1::PAGE_REASON_NOT_PRESENT, 3);
  summary.set_requested_pages(4);
  summary.set_failed_pages(4);
  *summary.add_failures() = Count(v1::PAGE_REASON_PINNED, 1);
  Summarize(summary);
  EXPECT_EQ(Migrate({"--address", "0"}).exit_code, kExitPagesLeft);
}

TEST_F(MigrateTest, DryRunThatWouldMoveIsFine) {
  v1::MigrationSummary summary;
  summary.set_requested_pages(2);
  summary.set_would_move_pages(2);
  Summarize(summary);
  const CommandResult result = Migrate({"--address", "0", "--dry-run"});
  EXPECT_EQ(result.exit_code, kExitOk);
  EXPECT_THAT(result.out, HasSubstr("would move"));
}

TEST_F(MigrateTest, SummaryNamesFiguresAndReasonsWithTheirMeaning) {
  v1::MigrationSummary summary = FailedWith(v1::PAGE_REASON_SHARED, 5);
  summary.set_requested_pages(12);
  summary.set_moved_pages(7);
  summary.set_moved_bytes(9 * 4096);
  summary.set_companion_pages(2);
  summary.set_passes(3);
  Summarize(summary);
  const std::string out = Migrate({"--address", "0"}).out;
  EXPECT_THAT(
      out, AllOf(HasSubstr("migration m-1 (kernel, SCREENED)"),
                 HasSubstr("COMPLETED"), HasSubstr("36.0 KiB with companions"),
                 HasSubstr("companions"), HasSubstr("SHARED"),
                 HasSubstr("--shared move")));
}

TEST_F(MigrateTest, ListsFailedPagesAndWithVerboseAllOfThem) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-1", 103));
    send(ResultEvent(0x1000, 1, v1::PAGE_OUTCOME_MOVED));
    send(ResultEvent(0x2000, 1, v1::PAGE_OUTCOME_FAILED,
                     v1::PAGE_REASON_NOT_PRESENT));
    for (int i = 0; i < 25; ++i) {
      send(ResultEvent(0x100000 + i * 0x2000, 1, v1::PAGE_OUTCOME_FAILED,
                       v1::PAGE_REASON_BUSY));
    }
    v1::MigrationEvent pass;
    pass.mutable_pass_completed()->set_retry_pages(25);
    *pass.mutable_pass_completed()->add_retry_reasons() =
        Count(v1::PAGE_REASON_BUSY, 25);
    send(pass);
    send(SummaryEvent({}));
    return grpc::Status::OK;
  };
  const std::string brief = Migrate({"--address", "0"}).out;
  EXPECT_THAT(brief, AllOf(HasSubstr("0x100000 "), Not(HasSubstr("0x1000 ")),
                           Not(HasSubstr("0x2000 ")), Not(HasSubstr("pass 0")),
                           HasSubstr("... and 5 more")));
  const std::string verbose = Migrate({"--address", "0", "--verbose"}).out;
  EXPECT_THAT(verbose, AllOf(HasSubstr("0x1000 "), HasSubstr("0x2000 "),
                             HasSubstr("0x130000 "), Not(HasSubstr("more;")),
                             HasSubstr("again 25, failed 0; again: BUSY 25")));
}

TEST_F(MigrateTest, JsonIsTheEventsOfTheContract) {
  const v1::MigrationEvent result = ResultEvent(
      0x7fff00001000, 2, v1::PAGE_OUTCOME_FAILED, v1::PAGE_REASON_LOCKED);
  daemon_.on_migrate = [&](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-1", 2));
    send(result);
    send(SummaryEvent(FailedWith(v1::PAGE_REASON_LOCKED, 2)));
    return grpc::Status::OK;
  };
  runner_.terminal = true;
  const CommandResult run = Migrate({"--json", "--address", "0"});
  EXPECT_EQ(run.exit_code, kExitPagesLeft);
  EXPECT_EQ(run.err, "");
  const auto events = ParseJsonLines<v1::MigrationEvent>(run.out);
  ASSERT_EQ(events.size(), 3);
  EXPECT_EQ(events[0].started().migration_id(), "m-1");
  EXPECT_EQ(events[1].SerializeAsString(), result.SerializeAsString());
  EXPECT_EQ(events[2].summary().failed_pages(), 2);
  EXPECT_THAT(run.out, AllOf(HasSubstr("\"start_address\":\"140733193392128\""),
                             HasSubstr("\"reason\":\"PAGE_REASON_LOCKED\""),
                             Not(HasSubstr("moved_pages"))));
}

TEST_F(MigrateTest, ProgressBarIsForTerminalsOnly) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-1", 4));
    send(ResultEvent(0, 4, v1::PAGE_OUTCOME_MOVED));
    send(SummaryEvent({}));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Migrate({"--range", "0:4"}).err, "");
  runner_.terminal = true;
  const CommandResult run = Migrate({"--range", "0:4"});
  EXPECT_THAT(run.err, AllOf(HasSubstr("% "), HasSubstr("/4 pages"),
                             HasSubstr("\x1b[K")));
  EXPECT_THAT(run.out, Not(HasSubstr("\r")));
}

TEST_F(MigrateTest, RefusalPrintsEveryViolationAndWhatToDo) {
  daemon_.on_migrate = [](const auto&, auto*, const auto&) {
    v1::ErrorDetail detail;
    detail.set_reason(v1::ERROR_REASON_INVALID_REQUEST);
    for (const char* field : {"batches[0].destination_node", "request_id"}) {
      v1::FieldViolation* violation = detail.add_violations();
      violation->set_field(field);
      violation->set_description("no good");
    }
    return Refuse(grpc::StatusCode::INVALID_ARGUMENT, "2 fields", detail);
  };
  const CommandResult run = Migrate({"--address", "0"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err,
              AllOf(HasSubstr("INVALID_ARGUMENT (INVALID_REQUEST): 2 fields"),
                    HasSubstr("  batches[0].destination_node: no good\n"),
                    HasSubstr("  request_id: no good\n"),
                    HasSubstr("what to do: mend")));
  EXPECT_EQ(daemon_.migrate_requests().size(), 1);
}

TEST_F(MigrateTest, AnswerThatBreaksOffLeavesPagesUnknown) {
  daemon_.on_migrate = [](const auto&, auto*, const auto& send) {
    send(StartedEvent("m-1", 3));
    return grpc::Status::OK;
  };
  const CommandResult run = Migrate({"--range", "0:3"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, AllOf(HasSubstr("may or may not have moved: 3\n"),
                             HasSubstr("without a summary")));
  EXPECT_EQ(run.out,
            "migration m-1: no summary arrived; pageferry list says what it "
            "did\n");
}

TEST_F(MigrateTest, LongListsBecomeSeveralRequestsWithOneSummary) {
  const CommandResult run = Migrate({"--range", "0x100000:20000000"});
  EXPECT_EQ(run.exit_code, kExitOk);
  const auto requests = daemon_.migrate_requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(PagesOf(requests[0]), 16'777'216);
  EXPECT_EQ(PagesOf(requests[1]), 20'000'000 - 16'777'216);
  EXPECT_THAT(run.out, AllOf(HasSubstr("and 1 more, together"),
                             HasSubstr("20000000  76.3 GiB")));
}

TEST_F(MigrateTest, LaterRequestsAreForTheProcessThatTheFirstFound) {
  daemon_.on_migrate = [](const auto& request, auto*, const auto& send) {
    v1::MigrationEvent started = StartedEvent("m-1", 1);
    v1::ProcessRef* process = started.mutable_started()->add_processes();
    process->set_pid(17);
    process->set_start_time_ticks(4711);
    send(started);
    v1::MigrationSummary summary;
    summary.set_requested_pages(PagesOf(request));
    summary.set_already_placed_pages(PagesOf(request));
    send(SummaryEvent(summary));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Migrate({"--range", "0:20000000"}).exit_code, kExitOk);
  const auto requests = daemon_.migrate_requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_FALSE(requests[0].process().has_start_time_ticks());
  EXPECT_EQ(requests[1].process().start_time_ticks(), 4711);
}

TEST_F(MigrateTest, RequestsShareOneTimeBudget) {
  EXPECT_EQ(Migrate({"--range", "0:20000000", "--time-budget", "1h"}).exit_code,
            kExitOk);
  const auto requests = daemon_.migrate_requests();
  ASSERT_EQ(requests.size(), 2);
  EXPECT_EQ(ToDuration(requests[0].options().time_budget()), absl::Hours(1));
  EXPECT_LT(ToDuration(requests[1].options().time_budget()), absl::Hours(1));
}

TEST_F(MigrateTest, StopEndsTheRequestsThatWouldFollow) {
  daemon_.on_migrate = [](const auto& request, auto*, const auto& send) {
    send(StartedEvent("m-1", PagesOf(request)));
    v1::MigrationSummary summary;
    summary.set_requested_pages(PagesOf(request));
    summary.set_moved_pages(PagesOf(request));
    summary.set_stop_reason(v1::STOP_REASON_PROCESS_EXITED);
    send(SummaryEvent(summary));
    return grpc::Status::OK;
  };
  const CommandResult run = Migrate({"--range", "0:20000000"});
  EXPECT_EQ(run.exit_code, kExitPagesLeft);
  EXPECT_EQ(daemon_.migrate_requests().size(), 1);
  EXPECT_THAT(run.out, HasSubstr("PROCESS_EXITED"));
  EXPECT_THAT(run.err, HasSubstr("pages not asked for: 3222784\n"));
}

TEST_F(MigrateTest, RefusalOfALaterRequestKeepsTheSummaryOfTheFirst) {
  std::atomic<int> calls = 0;
  daemon_.on_migrate = [&](const auto& request, auto* context,
                           const auto& send) {
    if (calls++ == 0) return MoveAll(request, context, send);
    return Refuse(grpc::StatusCode::UNAVAILABLE, v1::ERROR_REASON_SHUTTING_DOWN,
                  "going");
  };
  const CommandResult run = Migrate({"--range", "0:20000000"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.out, HasSubstr("16777216  64.0 GiB"));
  EXPECT_THAT(run.err, AllOf(HasSubstr("SHUTTING_DOWN"),
                             HasSubstr("pages not asked for: 3222784\n")));
}

// Nodes 0 to 2 have memory, 3 has none.
void AnswerTopology(FakeDaemon* daemon) {
  daemon->on_topology = [](const auto&, v1::GetTopologyResponse* response) {
    for (int node = 0; node < 4; ++node) {
      response->add_nodes()->set_node(node);
      response->mutable_nodes(node)->set_has_memory(node < 3);
    }
    return grpc::Status::OK;
  };
}

// Two processes, one of them a newcomer, of which a page stays.
grpc::Status MoveTwoProcesses(
    const v1::MigrateProcessRequest&, grpc::ServerContext*,
    const FakeDaemon::Send<v1::MigrationEvent>& send) {
  v1::MigrationEvent event;
  event.mutable_started()->set_migration_id("m-7");
  event.mutable_started()->add_processes()->set_pid(20);
  send(event);
  for (int pid : {20, 21}) {
    event = ResultEvent(0x1000, 3, v1::PAGE_OUTCOME_MOVED);
    event.mutable_results()->set_pid(pid);
    send(event);
    if (pid == 20) {
      event.Clear();
      event.mutable_process_joined()->mutable_process()->set_pid(21);
      send(event);
    }
  }
  event =
      ResultEvent(0x9000, 1, v1::PAGE_OUTCOME_FAILED, v1::PAGE_REASON_PINNED);
  event.mutable_results()->set_pid(21);
  send(event);
  v1::MigrationSummary summary = FailedWith(v1::PAGE_REASON_PINNED, 1);
  summary.set_requested_pages(7);
  summary.set_moved_pages(6);
  send(SummaryEvent(summary));
  return grpc::Status::OK;
}

TEST_F(MigrateTest, AllAsksForWhatIsOnOtherNodes) {
  AnswerTopology(&daemon_);
  daemon_.on_migrate_process = MoveTwoProcesses;
  Migrate({"--all", "--start-time", "7", "--fallback", "2"});
  ASSERT_EQ(daemon_.process_requests().size(), 1);
  const v1::MigrateProcessRequest request = daemon_.process_requests()[0];
  EXPECT_EQ(request.target().process().pid(), 17);
  EXPECT_EQ(request.target().process().start_time_ticks(), 7);
  // The daemon refuses fallback nodes that are sources.
  EXPECT_THAT(request.source_nodes(), ElementsAre(0));
  EXPECT_THAT(request.destination_nodes(), ElementsAre(1));
  EXPECT_THAT(request.fallback_nodes(), ElementsAre(2));
  EXPECT_EQ(request.options().mode(), v1::MIGRATE_MODE_SYNC);
  EXPECT_THAT(daemon_.migrate_requests(), IsEmpty());
}

TEST_F(MigrateTest, AllOfACgroupFromNodesToNodes) {
  daemon_.on_migrate_process = MoveTwoProcesses;
  const CommandResult run =
      runner_.Run({"migrate", "--cgroup", "/pod", "--all", "--from", "0", "1",
                   "--to", "2", "3", "--mode", "async", "--verbose"});
  EXPECT_EQ(run.exit_code, kExitPagesLeft);
  const v1::MigrateProcessRequest request = daemon_.process_requests().at(0);
  EXPECT_EQ(request.target().cgroup(), "/pod");
  EXPECT_THAT(request.source_nodes(), ElementsAre(0, 1));
  EXPECT_THAT(request.destination_nodes(), ElementsAre(2, 3));
  EXPECT_THAT(run.out,
              AllOf(HasSubstr("process 21 joined\n"),
                    HasSubstr("process 21\n0x1000"), HasSubstr("PINNED")));
}

TEST_F(MigrateTest, AllThatWasStoppedIsNotDoneThoughNothingFoundIsLeft) {
  daemon_.on_migrate_process = [](const auto&, auto*, const auto& send) {
    v1::MigrationSummary summary;
    summary.set_requested_pages(10);
    summary.set_moved_pages(10);
    summary.set_stop_reason(v1::STOP_REASON_TIME_BUDGET);
    send(StartedEvent("m-8", 0));
    send(SummaryEvent(summary));
    return grpc::Status::OK;
  };
  EXPECT_EQ(Migrate({"--all", "--from", "0"}).exit_code, kExitPagesLeft);
}

TEST_F(MigrateTest, AllOfAProcessThatIsGoneIsRefused) {
  daemon_.on_migrate_process = [](const auto&, auto*, const auto&) {
    return Refuse(grpc::StatusCode::NOT_FOUND,
                  v1::ERROR_REASON_PROCESS_NOT_FOUND, "no process 17");
  };
  const CommandResult run = Migrate({"--all", "--from", "0"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, HasSubstr("no process 17"));
}

TEST_F(MigrateTest, TimeoutGivesUpAndSaysSo) {
  Event left;
  daemon_.on_migrate = [&](const auto&, grpc::ServerContext* context,
                           const auto& send) {
    send(StartedEvent("m-1", 1));
    while (!context->IsCancelled() && send(ResultEvent(0, 1, {}))) {
    }
    left.Notify();
    return grpc::Status::CANCELLED;
  };
  const CommandResult run = Migrate({"--address", "0", "--timeout", "300ms"});
  EXPECT_EQ(run.exit_code, kExitFailed);
  EXPECT_THAT(run.err, AllOf(HasSubstr("DEADLINE_EXCEEDED"),
                             HasSubstr("--time-budget")));
  EXPECT_TRUE(left.Wait());
}

}  // namespace
}  // namespace pageferry::client::cli
