#include "server/model/worker_threads.h"

#include <random>
#include <utility>

namespace pageferry::model {
namespace {

constexpr uint64_t kAccessesBetweenPauses = 64;

core::VirtualAddress WordOf(const WorkerThreads::Work& work, uint64_t page,
                            uint64_t word) {
  return core::VirtualAddress(work.range.start.PlusPages(page).value() +
                              word * sizeof(uint64_t));
}

}  // namespace

WorkerThreads::~WorkerThreads() { Stop(); }

void WorkerThreads::Start(const Work& work) {
  const uint64_t word = threads_.size() % (core::kPageBytes / sizeof(uint64_t));
  {
    core::MutexLock lock(&mutex_);
    ++running_;
  }
  threads_.emplace_back([this, work, word] { Run(work, word); });
}

void WorkerThreads::Stop() {
  {
    core::MutexLock lock(&mutex_);
    stopping_.store(true);
    stop_requested_.NotifyAll();
    gate_changed_.NotifyAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

bool WorkerThreads::Pause(absl::Duration length) {
  core::MutexLock lock(&mutex_);
  if (!stopping_.load()) stop_requested_.WaitFor(&mutex_, length);
  return !stopping_.load();
}

bool WorkerThreads::Hold(absl::Duration patience) {
  core::MutexLock lock(&mutex_);
  held_.store(true);
  while (at_gate_ < running_) {
    if (!gate_changed_.WaitFor(&mutex_, patience)) break;
  }
  return at_gate_ >= running_;
}

void WorkerThreads::LetGo() {
  core::MutexLock lock(&mutex_);
  held_.store(false);
  gate_changed_.NotifyAll();
}

void WorkerThreads::PassGate() {
  if (!held_.load(std::memory_order_acquire)) return;
  core::MutexLock lock(&mutex_);
  ++at_gate_;
  gate_changed_.NotifyAll();
  while (held_.load() && !stopping_.load()) gate_changed_.Wait(&mutex_);
  --at_gate_;
}

void WorkerThreads::Run(const Work& work, uint64_t word) {
  std::vector<uint64_t> last_stored(work.range.pages, 0);
  if (!MakeAccesses(work, word, last_stored) ||
      !LoadAllAgain(work, word, last_stored)) {
    ended_early_.fetch_add(1);
  }
  core::MutexLock lock(&mutex_);
  --running_;
  gate_changed_.NotifyAll();
}

bool WorkerThreads::MakeAccesses(const Work& work, uint64_t word,
                                 std::vector<uint64_t>& last_stored) {
  std::minstd_rand random(static_cast<uint32_t>(word) + 1);
  uint64_t next_value = word << 48 | 1;
  for (uint64_t accesses = 1; !stopping_.load(); ++accesses) {
    PassGate();
    if (stopping_.load()) break;
    const uint64_t page = random() % work.range.pages;
    const core::VirtualAddress address = WordOf(work, page, word);
    uint64_t loaded = 0;
    if (work.space->Load(address, &loaded) != Access::kDone) return false;
    if (last_stored[page] != 0 && loaded != last_stored[page]) {
      lost_stores_.fetch_add(1);
    }
    if (!work.read_only) {
      if (work.space->Store(address, next_value) != Access::kDone) return false;
      last_stored[page] = next_value++;
      stores_.fetch_add(1, std::memory_order_relaxed);
    }
    if (work.pause > absl::ZeroDuration() &&
        accesses % kAccessesBetweenPauses == 0 && !Pause(work.pause)) {
      break;
    }
  }
  return true;
}

// Chance may not have come by a page since its last store.
bool WorkerThreads::LoadAllAgain(const Work& work, uint64_t word,
                                 const std::vector<uint64_t>& last_stored) {
  for (uint64_t page = 0; page < last_stored.size(); ++page) {
    if (last_stored[page] == 0) continue;
    uint64_t loaded = 0;
    if (work.space->Load(WordOf(work, page, word), &loaded) != Access::kDone) {
      return false;
    }
    if (loaded != last_stored[page]) lost_stores_.fetch_add(1);
  }
  return true;
}

}  // namespace pageferry::model
