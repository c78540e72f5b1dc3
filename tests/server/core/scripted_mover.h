// A mover whose pages do what a test says, and an observer that keeps books.

#ifndef PAGEFERRY_TESTS_SERVER_CORE_SCRIPTED_MOVER_H_
#define PAGEFERRY_TESTS_SERVER_CORE_SCRIPTED_MOVER_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "server/core/batch_mover.h"
#include "server/core/migrate_pages.h"

namespace pageferry::core {

// What a page answers, one try after another; the last answer repeats.
struct ScriptedAnswer {
  Answer answer = Answer::kMoved;
  Reason reason = Reason::kNone;
};

class ScriptedMover final : public BatchMover {
 public:
  // Pages without a script move at the first try, from node 0.
  void Script(uint64_t page, std::vector<ScriptedAnswer> answers);

  // The folio of a page, for tests of memory.
  void SetFolio(uint64_t page, uint32_t folio_pages);

  // Folios of at least `folio_pages` get no memory on `node`.
  void Fill(NodeId node, uint32_t folio_pages);

  uint32_t preferred_batch_pages() const override { return batch_pages; }
  StopReason TryBatch(const Batch& batch,
                      const MigrationControl& control) override;
  const MoverStatistics& statistics() const override { return statistics_; }

  uint32_t batch_pages = 4;
  // Called before each batch, with its number from 0.
  std::function<void(int)> before_batch;
  // What the batch with this number returns, trying nothing.
  std::map<int, StopReason> fatal_batches;

  // What was asked, for tests of order: "pass-forced/node: first page".
  std::vector<std::string> log;
  int batches = 0;

 private:
  void TryPage(const Batch& batch, PageAttempt* attempt, bool* memory_left);

  std::map<uint64_t, std::vector<ScriptedAnswer>> scripts_;
  std::map<uint64_t, size_t> tries_;
  std::map<uint64_t, uint32_t> folios_;
  std::map<NodeId, uint32_t> full_;
  MoverStatistics statistics_;
};

// Checks, as results come, that no page is reported twice.
class BookKeeper final : public MigrationObserver {
 public:
  void OnSettled(absl::Span<const SettledRun> runs) override;
  void OnPassCompleted(const PassFigures& pass) override {
    passes.push_back(pass);
  }
  void OnProgress(const MigrationSummary& so_far) override {
    progress.push_back(so_far);
  }

  std::map<uint64_t, SettledRun> by_page;
  std::vector<PassFigures> passes;
  std::vector<MigrationSummary> progress;
};

// A list of one placement.
PageList ListOf(std::vector<PageRun> runs, std::vector<NodeId> nodes);

}  // namespace pageferry::core

#endif  // PAGEFERRY_TESTS_SERVER_CORE_SCRIPTED_MOVER_H_
