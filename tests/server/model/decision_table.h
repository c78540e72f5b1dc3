// The rows of the decision table (design of Linux 4.0's migration core), as
// scenarios and the answers that they must get.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_DECISION_TABLE_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_DECISION_TABLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/types.h"
#include "server/model/migrate.h"

namespace pageferry::model {

// What the core's function says for a page in that state. kStopped: nobody has
// filled the cell in.
struct Cell {
  Verdict verdict = Verdict::kStopped;
  core::Reason reason = core::Reason::kNone;
  // Says so after a wait.
  bool waits = false;
};

// Async, sync-light, sync.
using Cells = std::array<Cell, 3>;

// What is special about a row.
enum RowTraits : unsigned {
  kPlain = 0,
  // The state itself takes the page away from the process.
  kUnmapsPage = 1u << 0,
  // Its file must stay clean, so the process only loads.
  kOnlyLoads = 1u << 1,
  // The answer of the first try is not that of the later ones.
  kChanges = 1u << 2,
  // Somebody else's doing breaks the books by design.
  kBooksBroken = 1u << 3,
  // The core says success, though the page did not move.
  kQuirk = 1u << 4,
  // Private data, and its reference, are given up on the way.
  kReleases = 1u << 5,
};

struct Row {
  std::string number;
  std::string function;
  std::string state;
  Cells early;   // passes 0 to 2
  Cells forced;  // forced passes
  std::string scenario;
  unsigned traits = kPlain;
};

// The page of all rows but those of huge pages, and the first huge one, by
// number.
inline constexpr uint64_t kPage = 0x10;
inline constexpr uint64_t kHugePage = 0x200;

// A base page behind it, in rows that need one.
inline constexpr uint64_t kBehindHugePage = 0x400;

// Two nodes of 1,536 pages; goes before each row's scenario.
absl::string_view TableNodes();

// Rows 0 to 19 but for huge pages; 3 and H0 to H4.
std::vector<Row> BasePageRows();
std::vector<Row> HugePageRows();

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_DECISION_TABLE_H_
