// The decision table of the migration core: which state of a page gets which
// answer, by mode and by whether the pass is forced. Every cell is driven
// through core::MigratePages() and checked in the books of the machine too; and
// once more through the core's own function, for the errno that it returns.

#include "tests/server/model/decision_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <iostream>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "server/core/reasons.h"
#include "tests/server/model/decision_cell.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::Reason;
using testing::UnorderedElementsAre;

std::string CellName(const Cell& cell) {
  if (cell.waits) return "waits";
  return std::string(VerdictName(cell.verdict));
}

std::string CellText(const Cell& cell) {
  std::string text = CellName(cell);
  if (cell.verdict == Verdict::kNoMemory) return text + ", abort";
  if (cell.reason == Reason::kNone) return text;
  return absl::StrCat(text, " ", core::ReasonName(cell.reason));
}

// A row as the design writes it: "5: EBUSY EBUSY EAGAIN / EBUSY EBUSY waits".
std::string Errnos(const Row& row) {
  std::vector<std::string> early;
  std::vector<std::string> forced;
  for (int mode = 0; mode < 3; ++mode) {
    early.push_back(CellName(row.early[mode]));
    forced.push_back(CellName(row.forced[mode]));
  }
  std::string text = absl::StrCat(row.number, ": ", absl::StrJoin(early, " "));
  if (forced != early)
    absl::StrAppend(&text, " / ", absl::StrJoin(forced, " "));
  return text;
}

class DecisionTableTest : public testing::TestWithParam<Row> {
 protected:
  static void SetUpTestSuite() {
    std::cout << "| row | function | state | ASYNC passes 0-2 / forced | "
                 "SYNC_LIGHT | SYNC | verdict |\n";
  }
};

TEST_P(DecisionTableTest, AnswersAndLeavesThePageAsTheTableSays) {
  const Row& row = GetParam();
  std::string line =
      absl::StrCat("| ", row.number, " | ", row.function, " | ", row.state);
  for (const Mode mode : {Mode::kAsync, Mode::kSyncLight, Mode::kSync}) {
    for (const bool forced : {false, true}) {
      const CellOfRow cell = {row, mode, forced};
      SCOPED_TRACE(absl::StrCat(core::ModeName(mode),
                                forced ? ", forced pass" : ", passes 0-2"));
      ExpectThroughThePassLoop(cell);
      ExpectFromTheCore(cell);
      absl::StrAppend(&line, forced ? " / " : " | ", CellText(cell.cell()));
    }
  }
  std::cout << line << " |" << (HasFailure() ? " FAILED" : " ok") << "\n";
}

std::vector<Row> AllRows() {
  std::vector<Row> rows = BasePageRows();
  for (Row& row : HugePageRows()) rows.push_back(std::move(row));
  return rows;
}

// The design's table, written down a second time: ASYNC, SYNC_LIGHT and SYNC in
// passes 0 to 2, and behind the slash in forced passes where those differ. A
// row here is a state there; 0 and H0 are pages that nothing is wrong with.
TEST(DecisionTableCompletenessTest, HasEveryRowAndCellOfTheDesign) {
  std::vector<std::string> rows;
  for (const Row& row : AllRows()) rows.push_back(Errnos(row));
  EXPECT_THAT(rows,
              UnorderedElementsAre(
                  "0: success success success", "0: success success success",
                  "1: ENOMEM ENOMEM ENOMEM", "1: ENOMEM ENOMEM ENOMEM",
                  "2: success success success",                               //
                  "3: success success success", "3: EBUSY EBUSY EBUSY",       //
                  "3: success success success",                               //
                  "4: EAGAIN EAGAIN EAGAIN / EAGAIN waits waits",             //
                  "4: EAGAIN EAGAIN EAGAIN",                                  //
                  "5: EBUSY EBUSY EAGAIN / EBUSY EBUSY waits",                //
                  "6: EAGAIN EAGAIN EAGAIN", "7: success success success",    //
                  "8: success success success",                               //
                  "9: success success success", "9: EAGAIN EAGAIN EAGAIN",    //
                  "9: EBUSY EBUSY EBUSY",                                     //
                  "10: EAGAIN EAGAIN EAGAIN", "10: EAGAIN EAGAIN EAGAIN",     //
                  "11: EAGAIN EAGAIN EAGAIN",                                 //
                  "12: EAGAIN EAGAIN EAGAIN", "12: EAGAIN EAGAIN EAGAIN",     //
                  "13: EAGAIN EAGAIN EAGAIN",                                 //
                  "14: success success success", "14: EAGAIN EAGAIN EAGAIN",  //
                  "14: EAGAIN EAGAIN EAGAIN",                                 //
                  "15: success success success", "15: EAGAIN waits waits",    //
                  "15: EAGAIN EAGAIN EAGAIN",                                 //
                  "16: success success success", "16: EBUSY EBUSY EBUSY",     //
                  "17: EBUSY EBUSY EINVAL", "17: EBUSY EBUSY EAGAIN",         //
                  "17: EBUSY EBUSY EIO", "17: EBUSY EBUSY EAGAIN",            //
                  "18: EAGAIN EAGAIN EAGAIN",                                 //
                  "19: success success success", "19: EAGAIN EAGAIN EAGAIN",  //
                  "19: EAGAIN EAGAIN EAGAIN",                                 //
                  "H0: success success success", "H1: ENOSYS ENOSYS ENOSYS",  //
                  "H2: ENOMEM ENOMEM ENOMEM",                                 //
                  "H3: EAGAIN EAGAIN EAGAIN / EAGAIN EAGAIN waits",           //
                  "H4: EAGAIN EAGAIN EAGAIN", "H4: EAGAIN EAGAIN EAGAIN"));
}

std::string RowName(const testing::TestParamInfo<Row>& row) {
  std::string name =
      absl::StrCat("Row", row.param.number, "_", row.param.state);
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !absl::ascii_isalnum(c); },
      '_');
  return name;
}

INSTANTIATE_TEST_SUITE_P(BasePages, DecisionTableTest,
                         testing::ValuesIn(BasePageRows()), RowName);
INSTANTIATE_TEST_SUITE_P(HugePages, DecisionTableTest,
                         testing::ValuesIn(HugePageRows()), RowName);

}  // namespace
}  // namespace pageferry::model
