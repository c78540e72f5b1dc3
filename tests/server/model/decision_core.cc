#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "server/model/look.h"
#include "server/model/migrate.h"
#include "server/model/pages_on_node.h"
#include "tests/server/model/decision_cell.h"

namespace pageferry::model {
namespace {

using core::NodeId;
using testing::IsEmpty;

// Calls the core's function for a cell's page, as a pass does.
class CoreTest {
 public:
  explicit CoreTest(const CellOfRow& place)
      : place_(place),
        row_(place.row),
        cell_(place.cell()),
        // Each of the passes 0 to 2 says the same, where nothing changes.
        passes_(place.forced || cell_.verdict != Verdict::kAgain ||
                        (row_.traits & kChanges) != 0
                    ? 1
                    : 3),
        model_(absl::StrCat(TableNodes(), row_.scenario)),
        control_(model_.clock, absl::InfiniteDuration()),
        context_{model_.machine(), place.mode, place.forced,
                 model_.machine().traits.callers_reclaim_memory, control_} {}

  void Run() {
    Touch(model_, place_);
    World& world = model_.backend->world();
    ModelProcess& process = *world.processes().at(10);
    world.faults().BeforeBatch(process);
    Page& page = Isolate();
    for (int pass = 0; pass < passes_; ++pass) {
      Page& folio = *page.head.load();
      world.faults().BeforeTry(process, place_.page_number(), &folio);
      const MoveResult result = Try(page, folio);
      EXPECT_EQ(VerdictName(result.verdict), VerdictName(cell_.verdict))
          << "pass " << pass;
      EXPECT_EQ(result.reason, cell_.reason) << "pass " << pass;
    }
    EXPECT_EQ(model_.clock->Monotonic() > absl::ZeroDuration(), cell_.waits);
    // Only what is to be tried again, or got no memory, is kept.
    const bool kept =
        cell_.verdict == Verdict::kAgain || cell_.verdict == Verdict::kNoMemory;
    EXPECT_EQ(page.head.load()->Has(PageFlag::kIsolated), kept);
    if (kept) putback_page(model_.machine(), page);
    world.faults().EndAllHolds();
    if ((row_.traits & kBooksBroken) == 0) {
      EXPECT_THAT(BrokenInvariantsAtRest(world), IsEmpty());
    }
  }

 private:
  Page& Isolate() {
    Page* page = nullptr;
    LookAt(model_.space(10), place_.page_number(),
           [&](const PageView& view) { page = view.page; });
    page->Get();
    page->Clear(PageFlag::kLru);
    page->Set(PageFlag::kIsolated);
    return *page;
  }

  MoveResult Try(Page& page, Page& folio) {
    PagesOnNode new_pages(model_.machine(), NodeId(1));
    return folio.Has(PageFlag::kHugetlb)
               ? unmap_and_move_huge_page(context_, new_pages, folio)
               : unmap_and_move(context_, new_pages, page);
  }

  const CellOfRow& place_;
  const Row& row_;
  const Cell cell_;
  const int passes_;
  TestModel model_;
  core::MigrationControl control_;
  MoveContext context_;
};

}  // namespace

void ExpectFromTheCore(const CellOfRow& cell) { CoreTest(cell).Run(); }

}  // namespace pageferry::model
