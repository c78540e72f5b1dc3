// Common ground of the tests of the kernel backend: a scripted machine with two
// nodes and one process, a backend on it, and books of what a migration said.

#ifndef PAGEFERRY_TESTS_SERVER_KERNEL_KERNEL_FIXTURE_H_
#define PAGEFERRY_TESTS_SERVER_KERNEL_KERNEL_FIXTURE_H_

#include <functional>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "server/core/backend.h"
#include "server/core/migrate_pages.h"
#include "server/core/reasons.h"
#include "server/core/refusal.h"
#include "server/core/telemetry.h"
#include "tests/server/core/scripted_mover.h"
#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::core {

// For readable failures.
inline void PrintTo(Reason reason, std::ostream* out) {
  *out << ReasonName(reason);
}
inline void PrintTo(Outcome outcome, std::ostream* out) {
  *out << OutcomeName(outcome);
}
inline void PrintTo(StopReason reason, std::ostream* out) {
  *out << StopReasonName(reason);
}
inline void PrintTo(NodeId node, std::ostream* out) { *out << node.value(); }

}  // namespace pageferry::core

namespace pageferry::kernel {

inline constexpr int32_t kPid = 100;
// A page number where a huge page may start.
inline constexpr uint64_t kBase = 0x10000;

// Keeps books, and lets a test act between passes.
class PassObserver final : public core::MigrationObserver {
 public:
  void OnSettled(absl::Span<const core::SettledRun> runs) override {
    books.OnSettled(runs);
  }
  void OnPassCompleted(const core::PassFigures& pass) override {
    books.OnPassCompleted(pass);
    if (after_pass) after_pass(pass.pass);
  }
  void OnProgress(const core::MigrationSummary& so_far) override {
    books.OnProgress(so_far);
  }

  core::BookKeeper books;
  std::function<void(uint32_t)> after_pass;
};

class KernelWorld {
 protected:
  // Nodes 0 and 1 with a million free pages each; a process without mappings.
  KernelWorld();

  // A backend as it comes up now, in place of the one before.
  void OpenBackend();

  // A mapping of private memory with base pages on `node`.
  void FillPages(uint64_t first, uint64_t count, int node = 0);
  // A mapping of `count` huge pages on `node`.
  void FillHugePages(uint64_t first, uint64_t count, int node = 0);
  FakeFolio* FolioOf(uint64_t page) { return process_->FolioOf(page); }
  // The default profile of the daemon: no CAP_SYS_ADMIN.
  void HideFrames();

  std::unique_ptr<core::TargetProcess> OpenTarget();
  // Pages [first, first + count) to node 1.
  static core::PageList To(core::NodeId node, uint64_t first, uint64_t count);
  static core::PageList ToNode1(uint64_t first, uint64_t count) {
    return To(core::NodeId(1), first, count);
  }

  // Runs a migration with parameters_ and options_, checks that every page was
  // reported once and truthfully, and that the sums are right.
  void Migrate(const core::PageList& pages);

  // What was reported of a page of the list.
  const core::SettledRun& ResultOf(uint64_t page);
  core::Outcome OutcomeOf(uint64_t page) { return ResultOf(page).outcome; }
  core::Reason ReasonOf(uint64_t page) { return ResultOf(page).reason; }
  uint64_t Failures(core::Reason reason) const;
  uint64_t NotAttempted(core::Reason reason) const;

  // The refusal to move page kBase to node 1.
  core::Refusal RefusalToMove();

  core::FakeClock clock_;
  FakeKernel kernel_;
  core::NullTelemetry telemetry_;
  std::unique_ptr<core::Backend> backend_;
  FakeProcess* process_ = nullptr;
  core::MoveParameters parameters_;
  core::MigrateOptions options_;
  core::MigrationControl control_;
  PassObserver observer_;
  core::MigrationSummary summary_;

 private:
  void ExpectTruth(const core::PageList& pages);
};

class KernelTest : public ::testing::Test, protected KernelWorld {};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_TESTS_SERVER_KERNEL_KERNEL_FIXTURE_H_
