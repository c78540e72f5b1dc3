#include "toucher.h"

#include <pthread.h>
#include <sched.h>

#include <algorithm>
#include <chrono>

#include "pattern.h"

namespace pageferry::target {
namespace {

constexpr auto kIdlePause = std::chrono::milliseconds(1);

std::uint64_t NowNs() {
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

Touchers::Touchers(Regions& regions, const Options& options)
    : regions_(regions), options_(options) {
  for (int i = 0; i < options.threads; ++i) {
    workers_.push_back(std::make_unique<Worker>());
  }
  for (std::size_t i = 0; i < workers_.size(); ++i) {
    workers_[i]->thread = std::thread([this, i] { Run(i); });
  }
}

Touchers::~Touchers() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    halt_ = true;
  }
  changed_.notify_all();
  for (auto& worker : workers_) worker->thread.join();
}

void Touchers::Run(std::size_t number) {
  Worker& worker = *workers_[number];
  const auto pause = std::chrono::microseconds(options_.pause_us);
  while (WaitWhileResting(worker)) {
    bool whole_round = true;
    for (auto& region : regions_) {
      whole_round = VisitRegion(*region, number, worker);
      if (!whole_round) break;
    }
    if (!whole_round) continue;
    worker.loops.fetch_add(1, std::memory_order_relaxed);
    if (worker.last_visit_ns == 0) {
      std::this_thread::sleep_for(kIdlePause);  // nothing to visit
    } else if (options_.pause_us > 0) {
      worker.last_visit_ns = 0;
      std::this_thread::sleep_for(pause);
    }
  }
}

bool Touchers::VisitRegion(Region& region, std::size_t number, Worker& worker) {
  if (region.access == Access::kNone) return !halt_;
  const std::size_t first = region.pages * number / workers_.size();
  const std::size_t last = region.pages * (number + 1) / workers_.size();
  for (std::size_t i = first; i < last; ++i) {
    if (halt_.load(std::memory_order_relaxed)) return false;
    if (region.use[i].load(std::memory_order_acquire) != kLive) continue;
    Visit(region, i, worker);
    CountGap(worker);
  }
  return !halt_;
}

void Touchers::Visit(Region& region, std::size_t index, Worker& worker) {
  if (region.content == Content::kUnknown) {
    ReadByte(region.Page(index));
  } else if (!SlotsHold(region, index)) {
    region.use[index] = kLost;
    worker.errors.fetch_add(1, std::memory_order_relaxed);
  } else if (region.access == Access::kWrite) {
    StoreNext(region, index);
  }
}

void Touchers::CountGap(Worker& worker) {
  const std::uint64_t now_ns = NowNs();
  const std::uint64_t last_ns =
      worker.last_visit_ns.exchange(now_ns, std::memory_order_relaxed);
  if (last_ns == 0) return;
  const std::uint64_t gap_ns = now_ns - last_ns;
  if (gap_ns > worker.longest_gap_ns.load(std::memory_order_relaxed)) {
    worker.longest_gap_ns.store(gap_ns, std::memory_order_relaxed);
  }
}

bool Touchers::WaitWhileResting(Worker& worker) {
  if (!halt_) return true;
  worker.last_visit_ns = 0;
  std::unique_lock lock(mutex_);
  ++at_rest_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return !resting_ || ending_; });
  --at_rest_;
  return !ending_;
}

void Touchers::Rest() {
  std::unique_lock lock(mutex_);
  resting_ = true;
  halt_ = true;
  changed_.wait(lock, [this] { return at_rest_ == workers_.size(); });
}

void Touchers::Resume() {
  {
    std::lock_guard lock(mutex_);
    resting_ = false;
    halt_ = false;
  }
  changed_.notify_all();
}

void Touchers::ResetGap() {
  for (auto& worker : workers_) worker->longest_gap_ns = 0;
}

Touchers::Report Touchers::GetReport() const {
  Report report;
  std::uint64_t longest_ns = 0;
  for (const auto& worker : workers_) {
    report.loops += worker->loops;
    report.errors += worker->errors;
    longest_ns = std::max<std::uint64_t>(longest_ns, worker->longest_gap_ns);
    const std::uint64_t last_ns = worker->last_visit_ns;
    const std::uint64_t now_ns = NowNs();
    if (last_ns != 0 && now_ns > last_ns) {
      longest_ns = std::max(longest_ns, now_ns - last_ns);
    }
  }
  report.longest_gap_us = longest_ns / 1000;
  return report;
}

}  // namespace pageferry::target
