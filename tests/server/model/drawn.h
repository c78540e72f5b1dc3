// Scenarios and requests drawn from a seed.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_DRAWN_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_DRAWN_H_

#include <cstdint>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/core/refusal.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {

// A request, and who stops it when.
struct DrawnRequest {
  Request request;
  absl::Duration time_budget = absl::InfiniteDuration();
  // After that many passes; kNone: nobody does.
  uint32_t stop_after_passes = 0;
  core::StopReason stop = core::StopReason::kNone;
};

// A scenario with a little of everything, but for threads: what those do does
// not repeat. The same seed draws the same.
class Drawn {
 public:
  explicit Drawn(int seed);

  const std::string& text() const { return text_; }

  // Whether pages may go away between their result and a look at them.
  bool may_vanish() const;

  // Whether somebody else's doing breaks the machine's books by design.
  bool breaks_books() const { return breaks_books_; }

  DrawnRequest DrawRequest();

  // A process besides, which may be kept from us: how a request to move its
  // pages must be refused, if it must.
  absl::optional<core::RefusalReason> guard() const { return guard_; }
  Request RequestOfGuarded() const;

 private:
  uint64_t Below(uint64_t bound) { return random_() % bound; }
  std::string Flag(absl::string_view name, uint64_t one_in = 3);
  std::string Node();
  void DrawNodes();
  void DrawFiles();
  void DrawProcess(int pid);
  void DrawGuardedProcess();
  void DrawFaults();
  void DrawEvents();

  std::mt19937 random_;
  int nodes_ = 2;
  bool breaks_books_ = false;
  absl::optional<core::RefusalReason> guard_;
  std::string text_;
  // By process: its regions, and which of them show balloons.
  std::vector<core::PageRun> runs_[2];
  std::set<uint64_t> balloons_[2];
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_DRAWN_H_
