#include "server/model/balloon.h"

#include <gtest/gtest.h>

#include "server/model/memory.h"

namespace pageferry::model {
namespace {

class BalloonTest : public testing::Test {
 protected:
  void SetUp() override {
    for (int node : {0, 1}) {
      ASSERT_TRUE(memory_.AddNode(core::NodeId(node), 4).ok());
    }
  }

  // A page of the balloon at an index, whose reference the balloon has.
  Page& Inflate(const std::shared_ptr<Balloon>& balloon, uint64_t index) {
    Page& page = *memory_.Allocate(core::NodeId(0), 1);
    page.mapping = balloon;
    balloon->Inflate(index, page);
    return page;
  }
  Page& NewPage() { return *memory_.Allocate(core::NodeId(1), 1); }

  Memory memory_;
};

TEST_F(BalloonTest, KnowsItsPagesByIndex) {
  const auto balloon = std::make_shared<Balloon>(true);
  Page& page = Inflate(balloon, 7);
  EXPECT_TRUE(page.Has(PageFlag::kBalloon));
  EXPECT_EQ(balloon->PageAt(7), &page);
  EXPECT_EQ(balloon->PageAt(8), nullptr);
}

TEST_F(BalloonTest, AnExchangePutsTheNewPageInThePlaceOfTheOld) {
  const auto balloon = std::make_shared<Balloon>(true);
  Page& old_page = Inflate(balloon, 7);
  Page& new_page = NewPage();
  EXPECT_EQ(balloon->Migrate(old_page, new_page), Balloon::Exchange::kDone);
  EXPECT_EQ(balloon->PageAt(7), &new_page);
  EXPECT_TRUE(new_page.Has(PageFlag::kBalloon));
  EXPECT_EQ(new_page.index, 7u);
  EXPECT_EQ(new_page.mapping, balloon);
  // The caller's reference and the balloon's.
  EXPECT_EQ(new_page.references(), 2);
  EXPECT_FALSE(old_page.Has(PageFlag::kBalloon));
  EXPECT_EQ(old_page.mapping, nullptr);
  // What was the balloon's reference is left to the caller.
  EXPECT_EQ(old_page.references(), 1);
}

TEST_F(BalloonTest, ABusyLockPutsTheExchangeOff) {
  const auto balloon = std::make_shared<Balloon>(true);
  Page& old_page = Inflate(balloon, 7);
  Page& new_page = NewPage();
  balloon->HoldLock(true);
  EXPECT_EQ(balloon->Migrate(old_page, new_page), Balloon::Exchange::kLockBusy);
  EXPECT_EQ(balloon->PageAt(7), &old_page);
  EXPECT_FALSE(new_page.Has(PageFlag::kBalloon));
  balloon->HoldLock(false);
  EXPECT_EQ(balloon->Migrate(old_page, new_page), Balloon::Exchange::kDone);
}

TEST_F(BalloonTest, AHostThatRefusesIsAskedOnlyWhenTheLockIsFree) {
  const auto balloon = std::make_shared<Balloon>(false);
  Page& old_page = Inflate(balloon, 0);
  Page& new_page = NewPage();
  balloon->HoldLock(true);
  EXPECT_EQ(balloon->Migrate(old_page, new_page), Balloon::Exchange::kLockBusy);
  balloon->HoldLock(false);
  EXPECT_EQ(balloon->Migrate(old_page, new_page), Balloon::Exchange::kRefused);
  EXPECT_EQ(balloon->PageAt(0), &old_page);
  EXPECT_EQ(old_page.references(), 1);
  EXPECT_EQ(new_page.references(), 1);
}

TEST_F(BalloonTest, NobodyMapsItsPages) {
  const auto balloon = std::make_shared<Balloon>(true);
  Page& page = Inflate(balloon, 0);
  int places = 0;
  page.mapping->Walk(page, [&](Vma&, uint64_t) {
    ++places;
    return true;
  });
  EXPECT_EQ(places, 0);
}

}  // namespace
}  // namespace pageferry::model
