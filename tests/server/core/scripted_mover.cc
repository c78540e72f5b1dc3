#include "tests/server/core/scripted_mover.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace pageferry::core {

void ScriptedMover::Script(uint64_t page, std::vector<ScriptedAnswer> answers) {
  scripts_[page] = std::move(answers);
}

void ScriptedMover::SetFolio(uint64_t page, uint32_t folio_pages) {
  folios_[page] = folio_pages;
}

void ScriptedMover::Fill(NodeId node, uint32_t folio_pages) {
  full_[node] = folio_pages;
}

StopReason ScriptedMover::TryBatch(const Batch& batch,
                                   const MigrationControl& control) {
  const int number = batches++;
  if (before_batch) before_batch(number);
  const auto fatal = fatal_batches.find(number);
  if (fatal != fatal_batches.end()) return fatal->second;
  log.push_back(absl::StrCat(
      batch.forced ? "forced" : "plain", "/", batch.destination.value(), ": ",
      batch.pages.front().address.page_number(), "+", batch.pages.size()));
  bool memory_left = true;
  for (PageAttempt& attempt : batch.pages) {
    if (attempt.answer != Answer::kUntried) continue;
    if (control.stop() != StopReason::kNone || !memory_left) break;
    TryPage(batch, &attempt, &memory_left);
  }
  return StopReason::kNone;
}

void ScriptedMover::TryPage(const Batch& batch, PageAttempt* attempt,
                            bool* memory_left) {
  const uint64_t page = attempt->address.page_number();
  const auto folio = folios_.find(page);
  attempt->folio_pages = folio == folios_.end() ? 1 : folio->second;
  if (!attempt->seen) attempt->source = NodeId(0);
  attempt->seen = true;
  attempt->node = NodeId(0);
  if (attempt->folio_pages >= batch.refused_folio_pages) {
    attempt->answer = Answer::kSkippedFull;
    return;
  }
  const auto full = full_.find(batch.destination);
  if (full != full_.end() && attempt->folio_pages >= full->second) {
    attempt->answer = Answer::kNoMemory;
    *memory_left = false;
    return;
  }
  const std::vector<ScriptedAnswer>& script = scripts_[page];
  const size_t number = tries_[page]++;
  if (!script.empty()) {
    const ScriptedAnswer& next = script[std::min(number, script.size() - 1)];
    attempt->answer = next.answer;
    attempt->reason = next.reason;
  } else {
    attempt->answer = Answer::kMoved;
  }
  if (attempt->answer == Answer::kMoved) attempt->node = batch.destination;
}

void BookKeeper::OnSettled(absl::Span<const SettledRun> runs) {
  EXPECT_FALSE(runs.empty());
  for (const SettledRun& run : runs) {
    for (uint64_t i = 0; i < run.run.pages; ++i) {
      const uint64_t page = run.run.start.page_number() + i;
      EXPECT_TRUE(by_page.emplace(page, run).second)
          << "page " << page << " was reported twice";
    }
  }
}

PageList ListOf(std::vector<PageRun> runs, std::vector<NodeId> nodes) {
  PageList::Builder builder;
  builder.StartEntry({std::move(nodes)});
  for (const PageRun& run : runs) builder.AddRange(run.start, run.pages);
  absl::optional<PlacementConflict> conflict;
  PageList list = std::move(builder).Build(&conflict);
  EXPECT_FALSE(conflict.has_value());
  return list;
}

}  // namespace pageferry::core
