#include "changer.h"

#include <fcntl.h>
#include <numaif.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>

namespace pageferry::target {
namespace {

constexpr std::size_t kMostChildren = 3;
constexpr std::uint64_t kLongestPauseUs = 1000;
// Advice of Linux 6.1 that older headers do not name.
constexpr int kMadvCollapse = 25;

bool IsChanging(const Region& region) {
  return region.spec.kind == Kind::kChanging;
}

}  // namespace

Changer::Changer(Regions& regions, std::uint64_t seed) : random_(seed) {
  for (auto& region : regions) {
    if (region->start == nullptr) continue;
    if (IsChanging(*region)) {
      regions_.push_back(std::make_unique<ChangingRegion>(*region));
    }
  }
  if (regions_.empty()) return;
  for (auto& region : regions) {
    if (region->start == nullptr || IsChanging(*region)) continue;
    // The kernel's own mappings refuse it, and are nobody's to share.
    madvise(region->start, region->bytes(), MADV_DONTFORK);
  }
  thread_ = std::thread([this] { Run(); });
}

Changer::~Changer() {
  {
    std::lock_guard lock(mutex_);
    ending_ = true;
    shaking_ = false;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();
  while (!children_.empty()) EndChild(true);
}

void Changer::Shake() {
  {
    std::lock_guard lock(mutex_);
    shaking_ = !regions_.empty();
  }
  changed_.notify_all();
}

void Changer::Rest() {
  std::unique_lock lock(mutex_);
  shaking_ = false;
  changed_.notify_all();
  changed_.wait(lock, [this] { return at_rest_; });
}

void Changer::Run() {
  std::unique_lock lock(mutex_);
  while (true) {
    at_rest_ = true;
    changed_.notify_all();
    changed_.wait(lock, [this] { return shaking_ || ending_; });
    if (ending_) return;
    at_rest_ = false;
    while (shaking_) {
      lock.unlock();
      Change();
      ++changes_;
      std::this_thread::sleep_for(
          std::chrono::microseconds(Below(kLongestPauseUs)));
      lock.lock();
    }
  }
}

Piece Changer::SomePiece(const ChangingRegion& region) {
  const std::size_t pages = region.pages();
  const std::uint64_t choice = Below(10);
  if (choice < 2 && pages >= kHugePagePages) {
    return {Below(pages / kHugePagePages) * kHugePagePages, kHugePagePages};
  }
  const std::size_t most = choice < 7 ? 32 : 256;
  const std::size_t first = Below(pages);
  return {first, std::min<std::size_t>(1 + Below(most), pages - first)};
}

void Changer::ChooseNode() {
  // Where this thread's next pages come from; they may come from elsewhere.
  const unsigned long mask = 1UL << Below(2);
  set_mempolicy(MPOL_PREFERRED, &mask, sizeof(mask) * 8);
}

void Changer::Change() {
  ChangingRegion& region = *regions_[Below(regions_.size())];
  const Piece piece = SomePiece(region);
  const std::uint64_t choice = Below(100);
  if (choice < 30) {
    ChooseNode();
    return region.Store(piece);
  }
  if (choice < 36) return region.Read(piece);
  if (choice < 70) return ChangeMapping(region, piece);
  if (choice < 92) return ChangePlace(region, piece);
  if (choice < 96) {
    if (children_.size() < kMostChildren) Fork();
    return;
  }
  if (!children_.empty()) EndChild(Below(4) == 0);
}

// What a program does to its address space.
void Changer::ChangeMapping(ChangingRegion& region, Piece piece) {
  switch (Below(9)) {
    case 0:
    case 1:
      return region.Discard(piece);
    case 2:
      return region.Unmap(piece);
    case 3:
      return region.Protect(piece, PROT_NONE);
    case 4:
      return region.Protect(piece, PROT_READ);
    case 5:
      return region.Protect(piece, PROT_READ | PROT_WRITE);
    case 6:
      return region.Lock(piece);
    case 7:
      return region.MoveAway(piece);
    default:
      return region.Restore(piece);
  }
}

// What happens to the pages behind it.
void Changer::ChangePlace(ChangingRegion& region, Piece piece) {
  switch (Below(10)) {
    case 0:
    case 1:
      return region.Advise(piece, MADV_PAGEOUT);
    case 2:
      return region.Advise(piece, MADV_WILLNEED);
    case 3:
      return region.Advise(piece, MADV_COLD);
    case 4:
      return region.Advise(piece, MADV_HUGEPAGE);
    case 5:
      return region.Advise(piece, MADV_NOHUGEPAGE);
    case 6:
    case 7:
      return region.Advise(piece, kMadvCollapse);
    case 8:
      return region.Pin(piece.first);
    default:
      return region.Unpin();
  }
}

void Changer::Fork() {
  int order[2];
  if (pipe2(order, O_CLOEXEC) != 0) return;
  const pid_t pid = fork();
  if (pid == 0) {
    close(order[1]);
    LiveAsChild(order[0]);
  }
  close(order[0]);
  if (pid < 0) {
    close(order[1]);
    return;
  }
  children_.push_back({pid, order[1]});
}

void Changer::LiveAsChild(int order) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Nobody shall wait for the end of what we hold open: outputs, the orders of
  // elder children, pages in pipes.
  for (int stream = 0; stream <= 1; ++stream) close(stream);
  for (const Child& elder : children_) close(elder.order);
  for (auto& region : regions_) region->Unpin();
  char byte = 0;
  while (read(order, &byte, 1) < 0) {
  }
  bool held = true;
  for (auto& region : regions_) {
    // Shared pages change on in the parent.
    if (!region->is_private()) continue;
    region->Restore(region->all());
    held = region->Holds() && held;
    // A copy of its own for each page, as a child that goes on would get.
    region->Store(region->all());
    held = region->Holds() && held;
  }
  _exit(held ? 0 : 1);
}

void Changer::EndChild(bool by_signal) {
  const std::size_t which = Below(children_.size());
  const Child child = children_[which];
  children_.erase(children_.begin() + static_cast<std::ptrdiff_t>(which));
  if (by_signal) kill(child.pid, SIGKILL);
  close(child.order);
  int status = 0;
  waitpid(child.pid, &status, 0);
  const bool held = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  if (!by_signal && !held) children_held_ = false;
}

bool Changer::Check() {
  while (!children_.empty()) EndChild(false);
  bool held = children_held_;
  for (auto& region : regions_) {
    region->Restore(region->all());
    held = region->Holds() && held;
  }
  return held;
}

}  // namespace pageferry::target
