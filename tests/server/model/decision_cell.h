// Checks of one cell of the decision table, by two ways in.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_DECISION_CELL_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_DECISION_CELL_H_

#include <cstdint>

#include "tests/server/model/decision_table.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {

// A cell: one state of a page in one mode, in a pass that may wait (forced) or
// in one of the passes 0 to 2.
struct CellOfRow {
  const Row& row;
  core::Mode mode;
  bool forced = false;

  const Cell& cell() const {
    return (forced ? row.forced : row.early)[Column()];
  }
  const Cell& forced_cell() const { return row.forced[Column()]; }
  bool huge() const;
  bool hugetlb() const;
  // The page that the cell is about.
  uint64_t page_number() const { return huge() ? kHugePage : kPage; }

 private:
  size_t Column() const { return static_cast<size_t>(mode) - 1; }
};

// Makes the page's entries young, and where that is allowed dirty and
// soft-dirty.
void Touch(TestModel& model, const CellOfRow& cell);

// Migrates the page through core::MigratePages() and expects the answer, the
// mappings, counts, flags, frames, counters and the trace that the cell says.
void ExpectThroughThePassLoop(const CellOfRow& cell);

// Calls the core's own function for the page, and expects its errno.
void ExpectFromTheCore(const CellOfRow& cell);

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_DECISION_CELL_H_
