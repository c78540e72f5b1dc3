// move_pages(2) of the scripted kernel.

#include <algorithm>
#include <cerrno>
#include <utility>

#include "tests/server/kernel/fake_kernel.h"

namespace pageferry::kernel {

SystemResult FakeKernel::MovePages(int32_t pid,
                                   absl::Span<const uint64_t> addresses,
                                   absl::Span<const int> nodes,
                                   absl::Span<int> statuses, int flags) {
  const int number = static_cast<int>(moves.size());
  if (nodes.empty() && before_query) before_query();
  if (!nodes.empty() && before_move) before_move(number);
  const std::shared_ptr<FakeProcess> process = FindProcess(pid);
  std::vector<uint64_t> pages;
  for (const uint64_t address : addresses) pages.push_back(address >> 12);
  const int error = CheckMovePages(process.get(), flags);
  if (nodes.empty()) {
    if (error != 0) return {-1, error};
    for (size_t i = 0; i < pages.size(); ++i) {
      const int status = StatusOf(process.get(), pages[i]);
      statuses[i] = status < 0 ? status : process->NodeOf(pages[i]);
    }
    return {0, 0};
  }
  SystemResult result = {-1, error};
  if (error == 0) {
    const int64_t value = MoveEntries(process.get(), pages, nodes, statuses,
                                      (flags & kMovePagesAll) != 0);
    result = value < 0 ? SystemResult{-1, static_cast<int>(-value)}
                       : SystemResult{value, 0};
  }
  clock_->Advance(call_cost + page_cost * static_cast<int64_t>(pages.size()));
  moves.push_back({pid, pages, nodes[0], flags, result});
  if (after_move) after_move(number);
  return result;
}

int FakeKernel::CheckMovePages(const FakeProcess* process, int flags) const {
  if (seccomp_denies) return EPERM;
  if ((flags & ~(kMovePagesExclusive | kMovePagesAll)) != 0) return EINVAL;
  if ((flags & kMovePagesAll) != 0 && !Capable(23)) {
    return EPERM;  // CAP_SYS_NICE
  }
  if (process == nullptr) return ESRCH;
  if (process->access_denied) return EPERM;
  if (process->kernel_thread || process->state == 'Z') return EINVAL;
  return 0;
}

// The negative errno that a page has for a status; 0 if it can be seen.
int FakeKernel::StatusOf(FakeProcess* process, uint64_t page) const {
  const FakeMapping* mapping = process->MappingOf(page);
  if (mapping == nullptr || mapping->device) return -EFAULT;
  const FakePage* found = process->Find(page);
  if (found != nullptr && found->swapped) return -ENOENT;
  if (found == nullptr || found->folio == nullptr) {
    const bool enoent = behaviour.untouched_is_enoent || !mapping->anonymous();
    return enoent ? -ENOENT : -EFAULT;
  }
  if (behaviour.hides_protected &&
      (found->numa_hint || mapping->inaccessible())) {
    return -ENOENT;
  }
  return found->folio->zero ? -EFAULT : 0;
}

int64_t FakeKernel::MoveEntries(FakeProcess* process,
                                absl::Span<const uint64_t> pages,
                                absl::Span<const int> nodes,
                                absl::Span<int> statuses, bool all) {
  const auto count = static_cast<int64_t>(pages.size());
  constexpr int kNone = -1;
  int current = kNone;
  int64_t start = 0;
  queue_.clear();
  queued_.clear();
  // Moves the run [start, end): 0, a negative errno, or how many entries did
  // not move or were not tried.
  const auto move_run = [&](int64_t end) -> int64_t {
    if (queue_.empty()) return 0;
    const int64_t failed = MoveQueue(current);
    if (failed < 0) return failed;
    if (failed > 0) return failed + count - end;
    std::fill(statuses.begin() + start, statuses.begin() + end, current);
    return 0;
  };
  int64_t error = 0;
  for (int64_t i = 0; i < count && error == 0; ++i) {
    if (memory.nodes().count(nodes[i]) == 0) {
      error = -ENODEV;
    } else if (process->allowed_nodes.count(nodes[i]) == 0) {
      error = -EACCES;
    }
    if (error != 0) break;
    if (current == kNone) {
      current = nodes[i];
      start = i;
    } else if (nodes[i] != current) {
      const int64_t result = move_run(i);
      if (result != 0) return result;
      start = i;
      current = nodes[i];
    }
    const int queued = Queue(process, pages[i], current, all);
    if (queued > 0) continue;
    statuses[i] = queued == 0 ? current : queued;
    const int64_t result = move_run(i);
    if (result != 0) return result > 0 ? result - 1 : result;
    current = kNone;
  }
  const int64_t result = move_run(count);
  if (error != 0) return error;
  return result > 0 && behaviour.forgets_last_run ? 0 : result;
}

// 1 when the folio of the page was queued, 0 when it is there already, or the
// negative errno that becomes its status.
int FakeKernel::Queue(FakeProcess* process, uint64_t page, int node, bool all) {
  const int status = StatusOf(process, page);
  if (status != 0) return status;
  const FakePage& found = *process->Find(page);
  FakeFolio* folio = found.folio;
  if (folio->node == node) return 0;
  if (folio->mappers > 1 && !all) return -EACCES;
  if (folio->hugetlb && found.index > 0 && behaviour.refuses_hugetlb_tails) {
    return -EACCES;
  }
  if (folio->lru == Lru::kIsolated || !queued_.insert(folio).second) {
    return -EBUSY;
  }
  folio->lru = Lru::kOnList;
  queue_.push_back(folio);
  return 1;
}

// Moves what is queued: -ENOMEM, or the number of folios that did not move.
int64_t FakeKernel::MoveQueue(int node) {
  int64_t failed = 0;
  queued_.clear();
  for (FakeFolio* folio : std::exchange(queue_, {})) {
    const Migrated migrated = memory.Migrate(folio, node);
    if (migrated == Migrated::kMoved) continue;
    const bool abort =
        migrated == Migrated::kNoMemory &&
        (folio->pages == 1 || !behaviour.huge_shortage_is_failure);
    if (abort) return -ENOMEM;
    ++failed;
  }
  return failed;
}

}  // namespace pageferry::kernel
