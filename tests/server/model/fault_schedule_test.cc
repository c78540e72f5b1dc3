// When faults begin and end.

#include "server/model/fault_schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "server/model/look.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr uint64_t kPage = 16;

class FaultScheduleTest : public testing::Test {
 protected:
  void TearDown() override {
    schedule_.EndAllHolds();
    EXPECT_THAT(BrokenInvariantsAtRest(model_.backend->world()), IsEmpty());
  }

  ModelProcess& process(int32_t pid = 10) {
    return *model_.backend->world().processes().at(pid);
  }
  Page& PageOf(uint64_t number) {
    Page* page = nullptr;
    LookAt(process().space(), number,
           [&](const PageView& view) { page = view.page; });
    return *page;
  }
  bool Locked(uint64_t number = kPage) {
    return PageOf(number).Has(PageFlag::kLocked);
  }
  void Try(uint64_t number = kPage) {
    schedule_.BeforeTry(process(), number, &PageOf(number));
  }
  // Locks page kPage as `fault` says.
  void Lock(PageFault fault) {
    fault.kind = PageFaultKind::kLock;
    schedule_.Add(process(), kPage, fault);
    schedule_.Start();
  }
  // Whether the page is locked in each of the next tries.
  std::vector<bool> LockedInTries(int tries) {
    std::vector<bool> locked;
    for (int i = 0; i < tries; ++i) {
      Try();
      locked.push_back(Locked());
    }
    return locked;
  }

  TestModel model_{R"pb(
                     nodes { id: 0 capacity_pages: 64 }
                     nodes { id: 1 capacity_pages: 64 }
                     processes {
                       pid: 10
                       regions {
                         start_address: 0x10000
                         pages: 8
                         placements { node: 0 }
                       }
                     }
                     processes { pid: 11 }
                   )pb"};
  FaultSchedule schedule_{&model_.machine()};
};

TEST_F(FaultScheduleTest, AHoldFromTheFirstTryIsThereFromTheStart) {
  PageFault fault;
  fault.tries = 2;
  Lock(fault);
  EXPECT_TRUE(Locked());
  EXPECT_THAT(LockedInTries(4), ElementsAre(true, true, false, false));
}

TEST_F(FaultScheduleTest, AHoldFromALaterTryBeginsWithIt) {
  PageFault fault;
  fault.from_try = 2;
  fault.tries = 1;
  Lock(fault);
  EXPECT_FALSE(Locked());
  EXPECT_THAT(LockedInTries(4), ElementsAre(false, false, true, false));
}

TEST_F(FaultScheduleTest, AHoldWithoutAnEndLastsUntilAllAreEnded) {
  Lock({});
  EXPECT_THAT(LockedInTries(3), ElementsAre(true, true, true));
  schedule_.OnWait();
  EXPECT_TRUE(Locked());
  schedule_.EndAllHolds();
  EXPECT_FALSE(Locked());
}

TEST_F(FaultScheduleTest, TriesOfOtherPagesAreNotThisPages) {
  PageFault fault;
  fault.tries = 1;
  Lock(fault);
  for (int i = 0; i < 5; ++i) Try(kPage + 1);
  EXPECT_TRUE(Locked());
  EXPECT_FALSE(Locked(kPage + 1));
}

TEST_F(FaultScheduleTest, EachSliceOfAWaitUsesUpATry) {
  PageFault fault;
  fault.tries = 3;
  Lock(fault);
  Try();
  schedule_.OnWait();
  schedule_.OnWait();
  EXPECT_TRUE(Locked());
  schedule_.OnWait();
  EXPECT_FALSE(Locked());
}

TEST_F(FaultScheduleTest, AHoldUntilATimeEndsByTheClock) {
  PageFault fault;
  fault.until = absl::Milliseconds(10);
  Lock(fault);
  model_.fake_clock.Advance(absl::Milliseconds(9));
  schedule_.Poll();
  EXPECT_TRUE(Locked());
  model_.fake_clock.Advance(absl::Milliseconds(1));
  schedule_.Poll();
  EXPECT_FALSE(Locked());
}

TEST_F(FaultScheduleTest, TimeCountsFromTheStart) {
  model_.fake_clock.Advance(absl::Seconds(1));
  PageFault fault;
  fault.until = absl::Milliseconds(10);
  Lock(fault);
  schedule_.Poll();
  EXPECT_TRUE(Locked());
}

TEST_F(FaultScheduleTest, AnEventWaitsForATryThatHasThePage) {
  PageFault unmap;
  unmap.kind = PageFaultKind::kUnmap;
  schedule_.Add(process(), kPage, unmap);
  schedule_.Start();
  EXPECT_TRUE(NodeOf(model_, kPage).known());
  // Could not be isolated in its first try.
  schedule_.BeforeTry(process(), kPage, nullptr);
  EXPECT_TRUE(NodeOf(model_, kPage).known());
  Try();
  EXPECT_FALSE(NodeOf(model_, kPage).known());
}

TEST_F(FaultScheduleTest, AnEventHappensOnce) {
  PageFault unmap;
  unmap.kind = PageFaultKind::kUnmap;
  schedule_.Add(process(), kPage, unmap);
  schedule_.Start();
  Try();
  const auto address = core::VirtualAddress::OfPage(kPage);
  EXPECT_EQ(process().space().Store(address, 1), Access::kDone);
  Try();
  EXPECT_TRUE(NodeOf(model_, kPage).known());
}

TEST_F(FaultScheduleTest, TheHoldsThatGoOnCanBeSeen) {
  PageFault fault;
  fault.tries = 1;
  Lock(fault);
  const auto held = [&] {
    std::vector<const Page*> pages;
    schedule_.ForEachHold([&](const PageHold& hold) {
      EXPECT_EQ(hold.kind(), PageFaultKind::kLock);
      pages.push_back(hold.page());
    });
    return pages;
  };
  EXPECT_THAT(held(), ElementsAre(&PageOf(kPage)));
  LockedInTries(2);
  EXPECT_THAT(held(), IsEmpty());
}

TEST_F(FaultScheduleTest, HoldsEndWithTheSchedule) {
  {
    FaultSchedule schedule(&model_.machine());
    schedule.Add(process(), kPage, {});
    schedule.Start();
    EXPECT_TRUE(Locked());
  }
  EXPECT_FALSE(Locked());
}

TEST_F(FaultScheduleTest, AnEventOfAProcessComesBeforeItsOwnBatch) {
  ProcessEvent exit;
  exit.batch = 1;
  schedule_.Add(process(), exit);
  schedule_.Start();
  schedule_.BeforeBatch(process());
  // Batches of others are not counted.
  schedule_.BeforeBatch(process(11));
  EXPECT_FALSE(process().exited());
  schedule_.BeforeBatch(process());
  EXPECT_TRUE(process().exited());
  EXPECT_FALSE(process(11).exited());
}

TEST_F(FaultScheduleTest, EveryKindOfEventHappensToItsProcess) {
  const uint64_t generation = process().generation();
  for (ProcessEvent::Kind kind :
       {ProcessEvent::Kind::kLosePermission, ProcessEvent::Kind::kExec,
        ProcessEvent::Kind::kSetAllowedNodes}) {
    ProcessEvent event;
    event.kind = kind;
    event.nodes = {NodeId(1)};
    schedule_.Add(process(), event);
  }
  schedule_.Start();
  schedule_.BeforeBatch(process());
  EXPECT_FALSE(process().permitted());
  EXPECT_NE(process().generation(), generation);
  EXPECT_FALSE(process().Allows(NodeId(0)));
  EXPECT_TRUE(process().Allows(NodeId(1)));
  EXPECT_FALSE(process().exited());
}

// What fills a node stays, so this machine is one of its own.
TEST(FillTest, LeavesExactlyThatMuchBeforeABatchOfAnyProcess) {
  TestModel model(R"pb(
    nodes { id: 0 capacity_pages: 64 }
    processes { pid: 10 }
    processes { pid: 11 }
    fill_events { node: 0 batch: 1 leave_free_pages: 5 }
    fill_events { node: 0 batch: 2 leave_free_pages: 9 }
  )pb");
  World& world = model.backend->world();
  const FrameArena& arena = *model.machine().memory.arena(NodeId(0));
  world.faults().BeforeBatch(*world.processes().at(10));
  EXPECT_EQ(arena.free_pages(), 64u);
  world.faults().BeforeBatch(*world.processes().at(11));
  EXPECT_EQ(arena.free_pages(), 5u);
  // It takes; it never gives back.
  world.faults().BeforeBatch(*world.processes().at(10));
  EXPECT_EQ(arena.free_pages(), 5u);
  EXPECT_THAT(BrokenInvariantsAtRest(world), IsEmpty());
}

// Two processes that share a page, with the higher pid at the lower address.
class SharedPageFaultTest : public testing::Test {
 protected:
  static ModelProcess::Options WithPid(int32_t pid) {
    ModelProcess::Options options;
    options.id.pid = pid;
    options.allowed_nodes = {NodeId(0)};
    options.allocation_order = {NodeId(0)};
    return options;
  }
  void SetUp() override {
    auto vma = std::make_unique<Vma>();
    vma->start_page = kPage;
    vma->end_page = kPage + 1;
    vma->page_offset = kPage;
    processes_[0].space().Map(std::move(vma));
    ASSERT_EQ(
        processes_[0].space().Store(core::VirtualAddress::OfPage(kPage), 1),
        Access::kDone);
    processes_[0].space().ForkInto(processes_[1].space());
  }
  void TearDown() override {
    schedule_.EndAllHolds();
    for (ModelProcess& process : processes_) process.Exit();
  }

  TestModel model_{"nodes { id: 0 capacity_pages: 64 } processes { pid: 1 }"};
  ModelProcess processes_[2] = {ModelProcess(&model_.machine(), WithPid(11)),
                                ModelProcess(&model_.machine(), WithPid(10))};
  FaultSchedule schedule_{&model_.machine()};
};

TEST_F(SharedPageFaultTest, TheLowerPidsFaultTakesThePageFirst) {
  for (ModelProcess& process : processes_) {
    PageFault fault;
    fault.kind = PageFaultKind::kLock;
    // Only that of pid 10 ends.
    if (process.id().pid == 10) fault.until = absl::Milliseconds(1);
    schedule_.Add(process, kPage, fault);
  }
  schedule_.Start();
  const auto holds = [this] {
    int count = 0;
    schedule_.ForEachHold([&](const PageHold&) { ++count; });
    return count;
  };
  EXPECT_EQ(holds(), 1);
  model_.fake_clock.Advance(absl::Milliseconds(1));
  schedule_.Poll();
  EXPECT_EQ(holds(), 0);
}

}  // namespace
}  // namespace pageferry::model
