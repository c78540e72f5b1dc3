#include "tests/server/service/fake_backend.h"

#include <utility>

#include "server/core/refusal.h"

namespace pageferry::service {
namespace {

absl::Status Ended() {
  return core::Refuse(core::RefusalReason::kProcessNotFound,
                      "the process has ended");
}

}  // namespace

void Gate::Close() {
  core::MutexLock lock(&mutex_);
  open_ = false;
  passes_ = 0;
}

void Gate::Open() {
  core::MutexLock lock(&mutex_);
  open_ = true;
  changed_.NotifyAll();
}

void Gate::LetThrough(int count) {
  core::MutexLock lock(&mutex_);
  passes_ += count;
  changed_.NotifyAll();
}

void Gate::Pass() {
  core::MutexLock lock(&mutex_);
  ++waiting_;
  changed_.NotifyAll();
  while (!open_ && passes_ == 0) changed_.Wait(&mutex_);
  --waiting_;
  if (!open_) --passes_;
  ++passed_;
  changed_.NotifyAll();
}

void Gate::AwaitPassed(int count) {
  core::MutexLock lock(&mutex_);
  while (passed_ < count) changed_.Wait(&mutex_);
}

void Gate::AwaitWaiting(int count) {
  core::MutexLock lock(&mutex_);
  while (waiting_ < count) changed_.Wait(&mutex_);
}

class FakeMover final : public core::BatchMover {
 public:
  FakeMover(FakeBackend* backend, int32_t pid, bool validate_only,
            uint32_t batch_pages)
      : backend_(backend),
        pid_(pid),
        validate_only_(validate_only),
        batch_pages_(batch_pages) {}

  uint32_t preferred_batch_pages() const override { return batch_pages_; }

  core::StopReason TryBatch(const core::Batch& batch,
                            const core::MigrationControl& control) override {
    if (control.stop() != core::StopReason::kNone) return control.stop();
    backend_->call_gate_.Pass();
    {
      core::MutexLock lock(&backend_->mutex_);
      ++backend_->calls_;
    }
    ++statistics_.kernel_calls;
    for (core::PageAttempt& attempt : batch.pages) {
      if (attempt.answer != core::Answer::kUntried) continue;
      if (!backend_->Try(pid_, batch.destination, validate_only_, &attempt)) {
        return core::StopReason::kProcessExited;
      }
    }
    return core::StopReason::kNone;
  }

  const core::MoverStatistics& statistics() const override {
    return statistics_;
  }

 private:
  FakeBackend* const backend_;
  const int32_t pid_;
  const bool validate_only_;
  const uint32_t batch_pages_;
  core::MoverStatistics statistics_;
};

class FakeTarget final : public core::TargetProcess {
 public:
  FakeTarget(FakeBackend* backend, core::ProcessId id)
      : backend_(backend), id_(id) {}

  core::ProcessId id() const override { return id_; }

  absl::Status Locate(absl::Span<const core::PageRun> runs,
                      const core::LocationSink& sink) override {
    for (const core::PageRun& run : runs) {
      for (uint64_t i = 0; i < run.pages; ++i) {
        backend_->look_gate_.Pass();
        bool ended = false;
        const core::VirtualAddress address = run.start.PlusPages(i);
        const absl::optional<FakePage> page =
            backend_->Look(id_.pid, address.page_number(), &ended);
        if (ended) return Ended();
        const core::LocatedRun located = Describe(address, page);
        if (!sink(absl::MakeConstSpan(&located, 1))) return absl::OkStatus();
      }
    }
    return absl::OkStatus();
  }

  absl::Status LocateResident(core::VirtualAddress start, core::HiddenPages,
                              const core::LocationSink& sink) override {
    std::vector<core::PageRun> runs;
    {
      core::MutexLock lock(&backend_->mutex_);
      for (const auto& [number, page] :
           backend_->processes_.at(id_.pid).pages) {
        if (number < start.page_number()) continue;
        runs.push_back({core::VirtualAddress::OfPage(number), 1});
      }
    }
    return Locate(runs, sink);
  }

  absl::StatusOr<std::unique_ptr<core::BatchMover>> NewMover(
      const core::PageList&, const core::MoveParameters& parameters) override {
    core::MutexLock lock(&backend_->mutex_);
    backend_->parameters_ = parameters;
    const absl::Status status = backend_->processes_.at(id_.pid).mover_status;
    if (!status.ok()) return status;
    return std::make_unique<FakeMover>(
        backend_, id_.pid, parameters.validate_only, backend_->batch_pages_);
  }

 private:
  static core::LocatedRun Describe(core::VirtualAddress address,
                                   const absl::optional<FakePage>& page) {
    core::LocatedRun located;
    located.run = {address, 1};
    located.resident = page.has_value();
    if (page.has_value()) {
      located.node = page->node;
      located.folio_pages = page->folio_pages;
      located.states.Add(core::PageState::kAnonymous);
    } else {
      located.reason = core::Reason::kNotPresent;
    }
    return located;
  }

  FakeBackend* const backend_;
  const core::ProcessId id_;
};

FakeBackend::FakeBackend() {
  nodes_ = {core::NodeId(0), core::NodeId(1), core::NodeId(2)};
  capabilities_.ready = true;
}

void FakeBackend::AddProcess(int32_t pid, FakeProcess process) {
  core::MutexLock lock(&mutex_);
  processes_[pid] = std::move(process);
}

void FakeBackend::AddPages(int32_t pid, uint64_t address, uint64_t count,
                           FakePage page) {
  core::MutexLock lock(&mutex_);
  const uint64_t first = core::VirtualAddress(address).page_number();
  for (uint64_t i = 0; i < count; ++i) {
    processes_[pid].pages[first + i] = page;
  }
}

void FakeBackend::AddToCgroup(const std::string& path, int32_t pid) {
  core::MutexLock lock(&mutex_);
  cgroups_[path].insert(pid);
}

void FakeBackend::EndProcess(int32_t pid) {
  core::MutexLock lock(&mutex_);
  ended_.insert(pid);
}

void FakeBackend::SetNodes(std::vector<core::NodeId> nodes) {
  core::MutexLock lock(&mutex_);
  nodes_ = std::move(nodes);
}

void FakeBackend::SetCapabilities(core::Capabilities capabilities) {
  core::MutexLock lock(&mutex_);
  capabilities_ = std::move(capabilities);
}

void FakeBackend::SetTopology(absl::StatusOr<core::Topology> topology) {
  core::MutexLock lock(&mutex_);
  topology_ = std::move(topology);
}

void FakeBackend::SetBatchPages(uint32_t pages) {
  core::MutexLock lock(&mutex_);
  batch_pages_ = pages;
}

int FakeBackend::calls() const {
  core::MutexLock lock(&mutex_);
  return calls_;
}

core::NodeId FakeBackend::NodeOf(int32_t pid, uint64_t address) const {
  core::MutexLock lock(&mutex_);
  return processes_.at(pid)
      .pages.at(core::VirtualAddress(address).page_number())
      .node;
}

core::MoveParameters FakeBackend::last_parameters() const {
  core::MutexLock lock(&mutex_);
  return parameters_;
}

std::vector<core::NodeId> FakeBackend::MemoryNodes() const {
  core::MutexLock lock(&mutex_);
  return nodes_;
}

absl::StatusOr<core::Topology> FakeBackend::ReadTopology() const {
  core::MutexLock lock(&mutex_);
  return topology_;
}

core::Capabilities FakeBackend::ReadCapabilities() const {
  core::MutexLock lock(&mutex_);
  return capabilities_;
}

absl::StatusOr<std::unique_ptr<core::TargetProcess>> FakeBackend::OpenProcess(
    int32_t pid, absl::optional<uint64_t> start_time_ticks) {
  open_gate_.Pass();
  core::MutexLock lock(&mutex_);
  const auto found = processes_.find(pid);
  if (found == processes_.end() || ended_.count(pid) != 0) {
    return core::Refuse(core::RefusalReason::kProcessNotFound,
                        "no process has this pid");
  }
  const FakeProcess& process = found->second;
  if (start_time_ticks.has_value() &&
      *start_time_ticks != process.start_time_ticks) {
    return core::Refuse(core::RefusalReason::kProcessReplaced,
                        "the pid was reused");
  }
  if (!process.open_status.ok()) return process.open_status;
  return std::make_unique<FakeTarget>(
      this, core::ProcessId{pid, process.start_time_ticks});
}

bool FakeBackend::Try(int32_t pid, core::NodeId destination, bool validate_only,
                      core::PageAttempt* attempt) {
  core::MutexLock lock(&mutex_);
  if (ended_.count(pid) != 0) return false;
  auto& pages = processes_.at(pid).pages;
  const auto found = pages.find(attempt->address.page_number());
  if (found == pages.end()) {
    attempt->answer = core::Answer::kFailed;
    attempt->reason = core::Reason::kNotPresent;
    return true;
  }
  FakePage& page = found->second;
  if (!attempt->seen) attempt->source = page.node;
  attempt->seen = true;
  attempt->folio_pages = page.folio_pages;
  if (page.node == destination) {
    attempt->answer = core::Answer::kAlreadyPlaced;
  } else if (page.failure != core::Reason::kNone) {
    attempt->answer = core::Answer::kFailed;
    attempt->reason = page.failure;
  } else if (validate_only) {
    attempt->answer = core::Answer::kWouldMove;
  } else if (page.again > 0) {
    --page.again;
    attempt->answer = core::Answer::kAgain;
    attempt->reason = core::Reason::kLocked;
  } else {
    page.node = destination;
    attempt->answer = core::Answer::kMoved;
  }
  attempt->node = page.node;
  return true;
}

absl::optional<FakePage> FakeBackend::Look(int32_t pid, uint64_t page_number,
                                           bool* ended) const {
  core::MutexLock lock(&mutex_);
  *ended = ended_.count(pid) != 0;
  const auto& pages = processes_.at(pid).pages;
  const auto found = pages.find(page_number);
  if (found == pages.end()) return absl::nullopt;
  return found->second;
}

absl::StatusOr<std::vector<core::ProcessId>> FakeBackend::ListCgroup(
    const std::string& path) {
  core::MutexLock lock(&mutex_);
  const auto cgroup = cgroups_.find(path);
  if (cgroup == cgroups_.end()) {
    return core::Refuse(core::RefusalReason::kCgroupNotFound,
                        "no cgroup " + path);
  }
  std::vector<core::ProcessId> processes;
  for (int32_t pid : cgroup->second) {
    processes.push_back({pid, processes_[pid].start_time_ticks});
  }
  return processes;
}

}  // namespace pageferry::service
