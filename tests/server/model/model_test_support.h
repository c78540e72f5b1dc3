// What the tests of the model share: running migrations through the pass loop
// and looking at pages. See also invariants.h.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_MODEL_TEST_SUPPORT_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_MODEL_TEST_SUPPORT_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/core/clock.h"
#include "server/core/migrate_pages.h"
#include "server/core/telemetry.h"
#include "server/model/model_backend.h"
#include "tests/server/model/invariants.h"

namespace pageferry::model {

// A backend on a clock that stands still, with what it takes to migrate.
struct TestModel {
  // Dies where the scenario is wrong.
  explicit TestModel(absl::string_view scenario,
                     core::Clock* real_clock = nullptr);

  AddressSpace& space(int32_t pid) {
    return backend->world().processes().at(pid)->space();
  }
  Machine& machine() { return backend->world().machine(); }

  core::FakeClock fake_clock;
  core::Clock* clock;
  core::NullTelemetry telemetry;
  std::unique_ptr<ModelBackend> backend;
};

// A migration as its observer saw it.
struct Observed {
  core::MigrationSummary summary;
  std::vector<core::PassFigures> passes;
  // By page number.
  std::map<uint64_t, core::SettledRun> pages;
  // Pages that were reported more than once.
  uint64_t repeated_pages = 0;
  // Everything in the order in which it came, without times.
  std::vector<std::string> events;
};

struct Request {
  int32_t pid = 10;
  std::vector<core::PageRun> runs;
  std::vector<int32_t> nodes = {1};  // destination, then fallback nodes
  // A second placement: what goes to another node.
  std::vector<core::PageRun> other_runs;
  int32_t other_node = 1;
  core::MoveParameters parameters;
  core::MigrateOptions options;
  // Called after each pass, the last one too, on the thread that migrates.
  std::function<void()> after_pass = [] {};
};

// Runs are given as first page number and length.
core::PageRun Pages(uint64_t page_number, uint64_t pages = 1);

// A request to move pages in a mode.
Request Move(std::vector<core::PageRun> runs,
             core::Mode mode = core::Mode::kSync);

// Runs it through core::MigratePages() on this thread. `control` may be null.
Observed Migrate(TestModel& model, const Request& request,
                 core::MigrationControl* control = nullptr);

// Where a page of the process is; unknown where it has none.
core::NodeId NodeOf(TestModel& model, uint64_t page_number, int32_t pid = 10);

// A hash of the memory of all pages that a process can read, by address.
std::map<uint64_t, uint64_t> ContentOf(World& world, int32_t pid);

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_MODEL_TEST_SUPPORT_H_
