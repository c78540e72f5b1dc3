// A backend whose pages, processes and calls a test scripts.

#ifndef PAGEFERRY_TESTS_SERVER_SERVICE_FAKE_BACKEND_H_
#define PAGEFERRY_TESTS_SERVER_SERVICE_FAKE_BACKEND_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/core/backend.h"
#include "server/core/mutex.h"

namespace pageferry::service {

// A gate that threads pass. Open at first. Thread-safe.
class Gate {
 public:
  // Whoever comes waits from now on.
  void Close();
  // Lets all pass.
  void Open();
  // Lets `count` pass that wait or come, and then no more.
  void LetThrough(int count);
  // Passes, once it may.
  void Pass();
  // Waits until `count` threads wait at the gate.
  void AwaitWaiting(int count);
  // Waits until `count` threads in all have passed.
  void AwaitPassed(int count);

 private:
  core::Mutex mutex_;
  core::CondVar changed_;
  bool open_ ABSL_GUARDED_BY(mutex_) = true;
  int passes_ ABSL_GUARDED_BY(mutex_) = 0;
  int waiting_ ABSL_GUARDED_BY(mutex_) = 0;
  int passed_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A page of a fake process.
struct FakePage {
  core::NodeId node;
  // Why it cannot move; kNone: it can.
  core::Reason failure = core::Reason::kNone;
  // How often it says "again" before, for reason kLocked.
  int again = 0;
  uint32_t folio_pages = 1;
};

struct FakeProcess {
  uint64_t start_time_ticks = 1;
  std::map<uint64_t, FakePage> pages;  // by page number
  absl::Status open_status;            // of OpenProcess
  absl::Status mover_status;           // of NewMover
};

// Thread-safe, as a backend is. One batch is one kernel call.
class FakeBackend final : public core::Backend {
 public:
  FakeBackend();

  // ---- the script
  void AddProcess(int32_t pid, FakeProcess process);
  // Adds `count` pages like `page` from `address` on.
  void AddPages(int32_t pid, uint64_t address, uint64_t count, FakePage page);
  // Makes the cgroup, if there is none.
  void AddToCgroup(const std::string& path, int32_t pid);
  // From now on calls about the process say that it has ended.
  void EndProcess(int32_t pid);
  void SetNodes(std::vector<core::NodeId> nodes);
  void SetCapabilities(core::Capabilities capabilities);
  void SetTopology(absl::StatusOr<core::Topology> topology);
  void SetBatchPages(uint32_t pages);
  // Before the daemon ends.
  void SetSimulatedStores(core::SimulatedStores stores) {
    simulated_stores_ = stores;
  }

  // What every kernel call, every opening and every look must pass.
  Gate& call_gate() { return call_gate_; }
  Gate& open_gate() { return open_gate_; }
  Gate& look_gate() { return look_gate_; }

  // ---- what happened
  int calls() const;
  core::NodeId NodeOf(int32_t pid, uint64_t address) const;
  core::MoveParameters last_parameters() const;

  // ---- the backend
  absl::string_view name() const override { return "fake"; }
  core::Fidelity WeakestFidelity(const core::MoveParameters&) const override {
    return core::Fidelity::kScreened;
  }
  absl::Duration default_initial_backoff() const override {
    return absl::ZeroDuration();
  }
  std::vector<core::NodeId> MemoryNodes() const override;
  absl::StatusOr<core::Topology> ReadTopology() const override;
  core::Capabilities ReadCapabilities() const override;
  absl::StatusOr<std::unique_ptr<core::TargetProcess>> OpenProcess(
      int32_t pid, absl::optional<uint64_t> start_time_ticks) override;
  absl::StatusOr<std::vector<core::ProcessId>> ListCgroup(
      const std::string& path) override;
  core::KernelEvents ReadKernelEvents() const override { return {}; }
  absl::optional<core::SimulatedStores> ReadSimulatedStores() const override {
    return simulated_stores_;
  }

 private:
  friend class FakeTarget;
  friend class FakeMover;

  // Answers one page of a batch. False where the process has ended.
  bool Try(int32_t pid, core::NodeId destination, bool validate_only,
           core::PageAttempt* attempt) ABSL_LOCKS_EXCLUDED(mutex_);
  // A page of the process, or null; `*ended` says whether it has ended.
  absl::optional<FakePage> Look(int32_t pid, uint64_t page_number,
                                bool* ended) const;

  absl::optional<core::SimulatedStores> simulated_stores_;
  Gate call_gate_;
  Gate open_gate_;
  Gate look_gate_;
  mutable core::Mutex mutex_;
  std::map<int32_t, FakeProcess> processes_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, std::set<int32_t>> cgroups_ ABSL_GUARDED_BY(mutex_);
  std::set<int32_t> ended_ ABSL_GUARDED_BY(mutex_);
  std::vector<core::NodeId> nodes_ ABSL_GUARDED_BY(mutex_);
  core::Capabilities capabilities_ ABSL_GUARDED_BY(mutex_);
  absl::StatusOr<core::Topology> topology_ ABSL_GUARDED_BY(mutex_);
  core::MoveParameters parameters_ ABSL_GUARDED_BY(mutex_);
  uint32_t batch_pages_ ABSL_GUARDED_BY(mutex_) = 512;
  int calls_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_TESTS_SERVER_SERVICE_FAKE_BACKEND_H_
