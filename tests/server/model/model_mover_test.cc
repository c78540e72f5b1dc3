// Migrations of modelled processes as a whole: what is listed together, who
// stops them, and what goes wrong meanwhile.

#include "server/model/model_mover.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::NodeId;
using core::Outcome;
using core::Reason;
using core::StopReason;
using testing::ElementsAre;
using testing::IsEmpty;

std::string Scenario(absl::string_view regions, absl::string_view more = "",
                     uint64_t capacity = 4096) {
  return absl::StrCat("nodes { id: 0 capacity_pages: 4096 }",
                      "nodes { id: 1 capacity_pages: ", capacity, " }",
                      "nodes { id: 2 capacity_pages: 4096 }",
                      "processes { pid: 10 ", regions, " }", more);
}

std::string Anonymous(uint64_t pages = 64) {
  return absl::StrCat("regions { start_address: 0x10000 pages: ", pages,
                      " placements { node: 0 } }");
}

std::string Huge(absl::string_view kind) {
  return absl::StrCat("regions { start_address: 0x200000 pages: 1024 kind: ",
                      kind, " placements { node: 0 } }");
}

std::string Fault(absl::string_view kind, uint64_t page,
                  absl::string_view more = "") {
  return absl::StrCat("page_faults { kind: PAGE_FAULT_KIND_", kind,
                      " pid: 10 address: ", page * core::kPageBytes, " ", more,
                      " }\n");
}

class ModelMoverTest : public testing::Test {
 protected:
  void Make(const std::string& scenario) {
    model_ = std::make_unique<TestModel>(scenario);
  }
  void TearDown() override {
    model_->backend->world().faults().EndAllHolds();
    EXPECT_THAT(BrokenInvariantsAtRest(model_->backend->world()), IsEmpty());
  }
  Observed Run(const Request& request) { return Migrate(*model_, request); }

  uint64_t Failures(const Observed& observed, Reason reason) {
    return observed.summary.failures[static_cast<size_t>(reason)];
  }

  std::unique_ptr<TestModel> model_;
};

TEST_F(ModelMoverTest, MovesEveryPageThatCanMove) {
  Make(Scenario(
      Anonymous() +
          "regions { start_address: 0x90000 pages: 4"
          " kind: REGION_KIND_UNTOUCHED }"
          "regions { start_address: 0xa0000 pages: 4 kind: REGION_KIND_ZERO }"
          "regions { start_address: 0xb0000 pages: 4"
          " kind: REGION_KIND_SWAPPED }"
          "regions { start_address: 0xc0000 pages: 4"
          " kind: REGION_KIND_DEVICE }",
      Fault("PIN", 20) + Fault("LOCK", 30, "tries: 2")));
  const auto content = ContentOf(model_->backend->world(), 10);
  const Observed observed =
      Run(Move({Pages(16, 64), Pages(0x90, 4), Pages(0xa0, 4), Pages(0xb0, 4),
                Pages(0xc0, 4), Pages(0xd0, 2)},
               Mode::kAsync));
  EXPECT_EQ(observed.summary.moved_pages, 63u);
  EXPECT_EQ(observed.pages.at(20).reason, Reason::kPinned);
  EXPECT_EQ(observed.pages.at(20).passes, 10u);
  EXPECT_EQ(observed.pages.at(30).passes, 3u);
  EXPECT_EQ(observed.summary.recovered[static_cast<size_t>(Reason::kLocked)],
            1u);
  EXPECT_EQ(Failures(observed, Reason::kNotPresent), 4u);
  EXPECT_EQ(Failures(observed, Reason::kZeroPage), 4u);
  EXPECT_EQ(Failures(observed, Reason::kSwappedOut), 4u);
  EXPECT_EQ(Failures(observed, Reason::kNotMovable), 4u);
  EXPECT_EQ(Failures(observed, Reason::kNotMapped), 2u);
  EXPECT_EQ(ContentOf(model_->backend->world(), 10), content);
}

TEST_F(ModelMoverTest, PagesThatAreThereAlreadyAreNotTried) {
  Make(Scenario(Anonymous()));
  Run(Move({Pages(16, 10)}));
  const Observed again = Run(Move({Pages(16, 20)}));
  EXPECT_EQ(again.summary.already_placed_pages, 10u);
  EXPECT_EQ(again.summary.moved_pages, 10u);
  EXPECT_EQ(model_->machine().vmstat.pgmigrate_success.load(), 20u);
}

TEST_F(ModelMoverTest, SharedPagesMoveOnlyWhenAsked) {
  Make(Scenario(Anonymous(), "processes { pid: 11 fork_of: 10 }"));
  Request request = Move({Pages(16, 64)});
  EXPECT_EQ(Failures(Run(request), Reason::kShared), 64u);
  request.parameters.move_shared = true;
  EXPECT_EQ(Run(request).summary.moved_pages, 64u);
  EXPECT_EQ(NodeOf(*model_, 40, 11), NodeId(1));
}

TEST_F(ModelMoverTest, DryRunClassifiesAndTouchesNothing) {
  Make(Scenario(Anonymous() + "regions { start_address: 0x90000 pages: 4"
                              " kind: REGION_KIND_UNTOUCHED }",
                "process_events { kind: PROCESS_EVENT_KIND_EXIT pid: 10 }"));
  Request request = Move({Pages(16, 64), Pages(0x90, 4)});
  request.parameters.validate_only = true;
  const Observed observed = Run(request);
  EXPECT_EQ(observed.summary.would_move_pages, 64u);
  EXPECT_EQ(Failures(observed, Reason::kNotPresent), 4u);
  EXPECT_EQ(NodeOf(*model_, 16), NodeId(0));
  EXPECT_EQ(observed.summary.kernel_calls, 0u);
  EXPECT_THAT(model_->backend->Traces(), IsEmpty());
}

TEST_F(ModelMoverTest, FullDestinationOverflowsToTheFallbackNodes) {
  Make(Scenario(Anonymous(), "", 24));
  Request request = Move({Pages(16, 64)});
  request.nodes = {1, 2};
  const Observed observed = Run(request);
  EXPECT_EQ(observed.summary.moved_pages, 64u);
  EXPECT_EQ(NodeOf(*model_, 16), NodeId(1));
  EXPECT_EQ(NodeOf(*model_, 79), NodeId(2));
  EXPECT_EQ((observed.summary.moved_between.at({NodeId(0), NodeId(1)})), 24u);
}

TEST_F(ModelMoverTest, FullDestinationLeavesTheRestUnattempted) {
  Make(Scenario(Anonymous(), "", 24));
  const Observed observed = Run(Move({Pages(16, 64)}));
  EXPECT_EQ(observed.summary.moved_pages, 24u);
  EXPECT_EQ(Failures(observed, Reason::kNoMemory), 1u);
  EXPECT_EQ(observed.summary.not_attempted_pages, 39u);
  EXPECT_EQ(observed.summary.stop_reason, StopReason::kDestinationFull);
}

TEST_F(ModelMoverTest, PagesOfAFallbackNodeStayThereWhenTheDestinationIsFull) {
  Make(Scenario(Anonymous(), "", 24));
  Request request = Move({Pages(16, 32)});
  request.nodes = {2};
  Run(request);
  request.runs = {Pages(16, 64)};
  request.nodes = {1, 2};
  const Observed observed = Run(request);
  EXPECT_EQ(
      observed.summary.moved_pages + observed.summary.already_placed_pages,
      64u);
  EXPECT_EQ(observed.pages.at(47).outcome, Outcome::kAlreadyPlaced);
}

TEST_F(ModelMoverTest, AHugetlbPageMovesWholeHoweverManyOfItsPagesAreListed) {
  Make(Scenario(Huge("REGION_KIND_HUGETLB")));
  const Observed one = Run(Move({Pages(700)}));
  EXPECT_EQ(one.summary.moved_pages, 1u);
  EXPECT_EQ(one.summary.companion_pages, 511u);
  EXPECT_EQ(one.pages.at(700).folio_pages, 512u);
  EXPECT_EQ(NodeOf(*model_, 512), NodeId(1));
  EXPECT_EQ(NodeOf(*model_, 1024), NodeId(0));
  const Observed all = Run(Move({Pages(1024, 512)}));
  EXPECT_EQ(all.summary.moved_pages, 512u);
  EXPECT_EQ(all.summary.companion_pages, 0u);
  EXPECT_EQ(model_->machine().vmstat.pgmigrate_success.load(), 1024u);
}

TEST_F(ModelMoverTest, AllPagesOfAHugetlbPageMoveThoughOneBatchHasAPart) {
  Make(Scenario(Huge("REGION_KIND_HUGETLB")));
  Request request = Move({Pages(512, 512)});
  request.options.max_batch_pages = 100;
  const Observed observed = Run(request);
  EXPECT_EQ(observed.summary.moved_pages, 512u);
  EXPECT_EQ(observed.summary.companion_pages, 0u);
  EXPECT_EQ(observed.pages.at(1000).source, NodeId(0));
  EXPECT_EQ(Run(request).summary.already_placed_pages, 512u);
}

TEST_F(ModelMoverTest, AllPagesOfABusyHugetlbPageSayWhy) {
  Make(Scenario(Huge("REGION_KIND_HUGETLB"), Fault("PIN", 512)));
  Request request = Move({Pages(512, 512)});
  request.options.max_batch_pages = 100;
  const Observed observed = Run(request);
  EXPECT_EQ(Failures(observed, Reason::kPinned), 512u);
  EXPECT_EQ(observed.summary.retried_pages, 5120u);
}

// Tries page 600 of a hugetlb page whose page 512 an earlier entry sends to
// node 1; page 600 itself is asked to `destination`.
core::PageAttempt TryBoundElsewhere(TestModel& model, NodeId destination) {
  core::PageList::Builder builder;
  builder.StartEntry({{NodeId(1)}});
  builder.AddRange(core::VirtualAddress::OfPage(512), 10);
  builder.StartEntry({{destination}});
  builder.AddRange(core::VirtualAddress::OfPage(600), 10);
  absl::optional<core::PlacementConflict> conflict;
  const core::PageList pages = std::move(builder).Build(&conflict);
  auto target = *model.backend->OpenProcess(10, absl::nullopt);
  auto mover = *target->NewMover(pages, {});
  std::vector<core::PageAttempt> attempts(1);
  attempts[0].address = core::VirtualAddress::OfPage(600);
  core::Batch batch;
  batch.destination = destination;
  batch.placement = pages.PlacementOfFolio({attempts[0].address, 1}).value();
  batch.pages = absl::MakeSpan(attempts);
  core::MigrationControl control(model.clock, absl::InfiniteDuration());
  mover->TryBatch(batch, control);
  return attempts[0];
}

TEST_F(ModelMoverTest, AHugetlbPageAskedToTwoNodesGoesToTheFirst) {
  Make(Scenario(Huge("REGION_KIND_HUGETLB")));
  // While it may still leave, even from where this part of it is asked to be.
  for (NodeId destination : {NodeId(2), NodeId(0)}) {
    const core::PageAttempt waiting = TryBoundElsewhere(*model_, destination);
    EXPECT_EQ(waiting.answer, core::Answer::kAgain) << destination.value();
    EXPECT_EQ(waiting.reason, Reason::kFolioConflict);
  }
  EXPECT_EQ(Run(Move({Pages(512)})).summary.moved_pages, 1u);
  const core::PageAttempt settled = TryBoundElsewhere(*model_, NodeId(2));
  EXPECT_EQ(settled.answer, core::Answer::kFailed);
  EXPECT_EQ(settled.reason, Reason::kFolioConflict);
}

TEST_F(ModelMoverTest, ATransparentHugePageIsSplitAndItsListedPagesMove) {
  Make(Scenario(Huge("REGION_KIND_HUGE")));
  const auto content = ContentOf(model_->backend->world(), 10);
  const Observed observed = Run(Move({Pages(600, 1), Pages(700, 20)}));
  EXPECT_EQ(observed.summary.moved_pages, 21u);
  EXPECT_EQ(observed.summary.companion_pages, 0u);
  EXPECT_EQ(NodeOf(*model_, 600), NodeId(1));
  EXPECT_EQ(NodeOf(*model_, 601), NodeId(0));
  EXPECT_EQ(observed.pages.at(700).folio_pages, 1u);
  EXPECT_EQ(Run(Move({Pages(512, 1024)})).summary.moved_pages, 1003u);
  EXPECT_EQ(model_->machine().vmstat.thp_split.load(), 2u);
  EXPECT_EQ(ContentOf(model_->backend->world(), 10), content);
}

TEST_F(ModelMoverTest, AllPagesOfAHugePageThatCannotBeSplitSayWhy) {
  Make(Scenario(Huge("REGION_KIND_HUGE"), Fault("PIN", 512)));
  const Observed observed = Run(Move({Pages(512, 1024)}));
  EXPECT_EQ(Failures(observed, Reason::kPinned), 512u);
  EXPECT_EQ(observed.summary.moved_pages, 512u);
}

TEST_F(ModelMoverTest, HugetlbPagesThatFindNoMemoryDoNotStopBasePages) {
  Make(Scenario(Huge("REGION_KIND_HUGETLB") + Anonymous(), "", 500));
  const Observed observed = Run(Move({Pages(16, 64), Pages(512, 1024)}));
  EXPECT_EQ(observed.summary.moved_pages, 64u);
  EXPECT_EQ(
      observed.summary.failed_pages + observed.summary.not_attempted_pages,
      1024u);
}

TEST_F(ModelMoverTest, PagesBehindHiddenHintsAreTouchedAndMove) {
  Make(absl::StrCat(
      "traits { hides_numa_hints: true }",
      Scenario(Anonymous(), Fault("NUMA_HINT", 20) + Fault("NUMA_HINT", 21))));
  Request request = Move({Pages(16, 64)}, Mode::kAsync);
  request.parameters.validate_only = true;
  EXPECT_EQ(Run(request).summary.would_move_pages, 64u);
  const Observed observed = Run(Move({Pages(16, 64)}, Mode::kAsync));
  EXPECT_EQ(observed.summary.moved_pages, 64u);
  EXPECT_EQ(observed.pages.at(20).source, NodeId(0));
  EXPECT_EQ(observed.pages.at(20).passes, 1u);
  EXPECT_EQ(model_->machine().vmstat.numa_hint_faults.load(), 2u);
}

TEST_F(ModelMoverTest, SharedPagesBehindHiddenHintsWaitForTheProcess) {
  Make(absl::StrCat(
      "traits { hides_numa_hints: true }",
      Scenario(Anonymous(), "processes { pid: 11 fork_of: 10 }" +
                                Fault("NUMA_HINT", 20, "tries: 3") +
                                Fault("NUMA_HINT", 21))));
  Request request = Move({Pages(16, 64)}, Mode::kAsync);
  request.parameters.move_shared = true;
  const Observed observed = Run(request);
  EXPECT_EQ(observed.summary.moved_pages, 63u);
  EXPECT_EQ(observed.pages.at(20).passes, 4u);
  EXPECT_FALSE(observed.pages.at(20).source.known());
  EXPECT_EQ(observed.pages.at(21).reason, Reason::kNumaHint);
}

TEST_F(ModelMoverTest, ASearchTouchesHiddenPagesOfOneProcessOnly) {
  Make(absl::StrCat("traits { hides_numa_hints: true }",
                    Scenario(Anonymous(1),
                             "processes { pid: 11 fork_of: 10 regions { "
                             "start_address: 0x20000 pages: 1 numa_hinted: true"
                             " placements { node: 0 } } }" +
                                 Fault("NUMA_HINT", 16))));
  auto target = *model_->backend->OpenProcess(10, absl::nullopt);
  auto child = *model_->backend->OpenProcess(11, absl::nullopt);
  std::map<uint64_t, Reason> reasons;
  const auto note = [&](absl::Span<const core::LocatedRun> runs) {
    for (const core::LocatedRun& run : runs) {
      reasons[run.run.start.page_number()] = run.reason;
    }
    return true;
  };
  for (auto* process : {child.get(), target.get()}) {
    EXPECT_TRUE(
        process->LocateResident({}, core::HiddenPages::kTouch, note).ok());
  }
  EXPECT_EQ(reasons.at(16), Reason::kNumaHint);
  EXPECT_EQ(reasons.at(32), Reason::kNone);
}

TEST_F(ModelMoverTest, PagesWithoutAccessAreHiddenWhereHintedOnesAre) {
  const std::string regions =
      "regions { start_address: 0x10000 pages: 8 placements { node: 0 }"
      " protection: PROTECTION_NONE }";
  Make(absl::StrCat("traits { hides_numa_hints: true }", Scenario(regions)));
  const Observed hidden = Run(Move({Pages(16, 8)}));
  EXPECT_EQ(Failures(hidden, Reason::kUnsupported), 8u);
  EXPECT_EQ(hidden.pages.at(16).passes, 1u);
  EXPECT_FALSE(NodeOf(*model_, 16).known());
  Make(Scenario(regions));
  EXPECT_EQ(Run(Move({Pages(16, 8)})).summary.moved_pages, 8u);
}

TEST_F(ModelMoverTest, WhatIsNoAddressOfAProcessIsInvalid) {
  Make(Scenario(Anonymous()));
  const uint64_t end = core::kEndOfUserAddresses.page_number();
  const Observed observed = Run(Move({Pages(end - 1), Pages(end)}));
  EXPECT_EQ(observed.pages.at(end - 1).reason, Reason::kNotMapped);
  EXPECT_EQ(observed.pages.at(end).reason, Reason::kInvalid);
}

TEST_F(ModelMoverTest, PagesThatSomebodyElseIsolatedAreRetried) {
  Make(Scenario(Anonymous(), Fault("ISOLATE", 20, "tries: 2")));
  const Observed observed = Run(Move({Pages(16, 64)}, Mode::kAsync));
  EXPECT_EQ(observed.summary.moved_pages, 64u);
  EXPECT_EQ(observed.pages.at(20).passes, 3u);
}

TEST_F(ModelMoverTest, AnExitEndsTheMigrationAndFreesEverything) {
  Make(Scenario(Anonymous(2000),
                "process_events { kind: "
                "PROCESS_EVENT_KIND_EXIT pid: 10 batch: 2 }"));
  const Observed observed = Run(Move({Pages(16, 2000)}));
  EXPECT_EQ(observed.summary.stop_reason, StopReason::kProcessExited);
  EXPECT_EQ(observed.summary.moved_pages, 1024u);
  EXPECT_EQ(observed.summary.not_attempted_pages, 976u);
  EXPECT_EQ(model_->machine().memory.arena(NodeId(1))->free_pages(), 4096u);
}

TEST_F(ModelMoverTest, AnExitFreesPagesThatWereIsolated) {
  Make(Scenario(Anonymous(), Fault("LOCK", 20) +
                                 "process_events { kind: "
                                 "PROCESS_EVENT_KIND_EXIT pid: 10 batch: 1 }"));
  const Observed observed = Run(Move({Pages(16, 64)}, Mode::kAsync));
  EXPECT_EQ(observed.pages.at(20).reason, Reason::kProcessExited);
  EXPECT_EQ(model_->machine().memory.arena(NodeId(0))->free_pages(), 4096u);
}

TEST_F(ModelMoverTest, AnExecEndsTheMigrationThoughPidAndStartTimeStay) {
  Make(Scenario(Anonymous(2000),
                "process_events { kind: "
                "PROCESS_EVENT_KIND_EXEC pid: 10 batch: 1 }"));
  EXPECT_EQ(Run(Move({Pages(16, 2000)})).summary.stop_reason,
            StopReason::kProcessExited);
}

TEST_F(ModelMoverTest, ALostRightEndsTheMigration) {
  Make(Scenario(Anonymous(2000),
                "process_events { kind: PROCESS_EVENT_KIND_LOSE_PERMISSION"
                " pid: 10 batch: 1 }"));
  const Observed observed = Run(Move({Pages(16, 2000)}));
  EXPECT_EQ(observed.summary.stop_reason, StopReason::kPermissionLost);
  EXPECT_EQ(observed.summary.moved_pages, 512u);
}

TEST_F(ModelMoverTest, ACpusetThatShrinksFailsPagesThatWereTriedBefore) {
  Make(Scenario(Anonymous(1),
                Fault("PIN", 16) +
                    "process_events { kind: "
                    "PROCESS_EVENT_KIND_SET_ALLOWED_NODES pid: 10 batch: 1 "
                    "allowed_nodes: 0 }"));
  EXPECT_EQ(Run(Move({Pages(16)})).pages.at(16).reason, Reason::kCpuset);
  EXPECT_EQ(model_->machine().vmstat.pgmigrate_fail.load(), 1u);
}

TEST_F(ModelMoverTest, LooksUseUpNoTriesOfAFault) {
  Make(Scenario(Anonymous(1), Fault("WRITEBACK", 16, "tries: 5")));
  auto target = *model_->backend->OpenProcess(10, absl::nullopt);
  for (int i = 0; i < 10; ++i) {
    EXPECT_TRUE(
        target
            ->Locate({Pages(16)},
                     [](absl::Span<const core::LocatedRun>) { return true; })
            .ok());
  }
  EXPECT_EQ(Run(Move({Pages(16)}, Mode::kAsync)).pages.at(16).reason,
            Reason::kWriteback);
}

TEST_F(ModelMoverTest, ACpusetThatShrinksFailsTheRest) {
  Make(Scenario(Anonymous(2000),
                "process_events { kind: PROCESS_EVENT_KIND_SET_ALLOWED_NODES"
                " pid: 10 batch: 1 allowed_nodes: 0 }"));
  const Observed observed = Run(Move({Pages(16, 2000)}));
  EXPECT_EQ(Failures(observed, Reason::kCpuset), 1488u);
}

TEST_F(ModelMoverTest, ACancelEndsAWaitAndPutsEverythingBack) {
  core::SystemClock clock;
  model_ = std::make_unique<TestModel>(Scenario(Anonymous(), Fault("LOCK", 20)),
                                       &clock);
  core::MigrationControl control(&clock, absl::InfiniteDuration());
  Observed observed;
  std::thread migration(
      [&] { observed = Migrate(*model_, Move({Pages(16, 64)}), &control); });
  // By pass 3 all others have moved, and the wait for page 20 begins.
  while (model_->machine().memory.arena(NodeId(1))->free_pages() > 4096 - 63) {
    std::this_thread::yield();
  }
  control.RequestStop(StopReason::kCancelled);
  migration.join();
  EXPECT_EQ(observed.summary.moved_pages, 63u);
  EXPECT_EQ(observed.pages.at(20).outcome, Outcome::kNotAttempted);
  EXPECT_EQ(observed.pages.at(20).reason, Reason::kCancelled);
}

TEST_F(ModelMoverTest, EveryKindOfWaitEndsWithTheTimeBudget) {
  const std::string buffers =
      "files { name: 'f' pages: 1 placements { node: 0 }"
      " migrate: MIGRATE_OPERATION_BUFFER private_data: true }";
  const std::string file =
      "regions { start_address: 0x10000 pages: 1 kind: REGION_KIND_FILE"
      " source: 'f' }";
  const std::pair<std::string, uint64_t> waits[] = {
      {Scenario(Anonymous(), Fault("LOCK", 16)), 16},
      {Scenario(Anonymous(), Fault("WRITEBACK", 16)), 16},
      {Scenario(file, buffers + Fault("BUFFER_LOCK", 16)), 16},
      {Scenario(Huge("REGION_KIND_HUGETLB"), Fault("LOCK", 512)), 512},
  };
  for (const auto& [scenario, page] : waits) {
    Make(scenario);
    core::MigrationControl control(model_->clock, absl::Milliseconds(20));
    const Observed observed = Migrate(*model_, Move({Pages(page)}), &control);
    EXPECT_EQ(observed.summary.stop_reason, StopReason::kTimeBudget);
    EXPECT_EQ(observed.pages.at(page).reason, Reason::kTimeBudget);
    EXPECT_EQ(NodeOf(*model_, page), NodeId(0));
    EXPECT_LT(model_->clock->Monotonic(), absl::Milliseconds(30));
    model_->backend->world().faults().EndAllHolds();
    EXPECT_THAT(BrokenInvariantsAtRest(model_->backend->world()), IsEmpty());
  }
}

TEST_F(ModelMoverTest, TimedFaultsEndByTheClock) {
  Make(Scenario(Anonymous(), Fault("WRITEBACK", 20, "until_ms: 50")));
  const Observed observed = Run(Move({Pages(16, 64)}, Mode::kSync));
  EXPECT_EQ(observed.summary.moved_pages, 64u);
  EXPECT_GE(model_->clock->Monotonic(), absl::Milliseconds(50));
  EXPECT_EQ(observed.pages.at(20).passes, 4u);
}

TEST_F(ModelMoverTest, ADirtyPageOnSlowStorageIsWrittenThenMoved) {
  Make(
      Scenario("regions { start_address: 0x10000 pages: 8"
               " kind: REGION_KIND_FILE source: 'f' }",
               "files { name: 'f' pages: 8 placements { node: 0 } dirty: true"
               " migrate: MIGRATE_OPERATION_NONE write_latency_ms: 30 }"));
  const Observed observed = Run(Move({Pages(16, 8)}, Mode::kSync));
  EXPECT_EQ(observed.summary.moved_pages, 8u);
  EXPECT_GE(model_->clock->Monotonic(), absl::Milliseconds(30));
}

TEST_F(ModelMoverTest, LeftoverRetriesCountAsFailedButNotInLinux40) {
  Make(Scenario(Anonymous(), Fault("PIN", 20)));
  Run(Move({Pages(16, 64)}, Mode::kAsync));
  EXPECT_THAT(model_->backend->Traces(),
              ElementsAre(MigrateTrace{63, 1, Mode::kAsync}));
  Make("traits { linux_4_0_quirks: true }" +
       Scenario(Anonymous(), Fault("PIN", 20)));
  Run(Move({Pages(16, 64)}, Mode::kAsync));
  EXPECT_THAT(model_->backend->Traces(),
              ElementsAre(MigrateTrace{63, 0, Mode::kAsync}));
}

TEST_F(ModelMoverTest, CallsAreCountedAndTimed) {
  Make(Scenario(Anonymous(2000), Fault("LOCK", 20, "tries: 10")));
  const Observed observed = Run(Move({Pages(16, 2000)}));
  EXPECT_GE(observed.summary.kernel_calls, 4u);
  EXPECT_GT(observed.summary.longest_kernel_call, absl::ZeroDuration());
}

}  // namespace
}  // namespace pageferry::model
