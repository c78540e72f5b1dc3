#include "server/core/summary.h"

#include <algorithm>

namespace pageferry::core {
namespace {

void AddPages(const ReasonPages& pages, ReasonPages* sum) {
  for (size_t i = 0; i < pages.size(); ++i) (*sum)[i] += pages[i];
}

}  // namespace

MigrationSummary Sum(MigrationSummary first, const MigrationSummary& second) {
  first.requested_pages += second.requested_pages;
  first.moved_pages += second.moved_pages;
  first.already_placed_pages += second.already_placed_pages;
  first.failed_pages += second.failed_pages;
  first.not_attempted_pages += second.not_attempted_pages;
  first.would_move_pages += second.would_move_pages;
  first.companion_pages += second.companion_pages;
  first.passes = std::max(first.passes, second.passes);
  first.retried_pages += second.retried_pages;
  AddPages(second.retries, &first.retries);
  AddPages(second.recovered, &first.recovered);
  AddPages(second.failures, &first.failures);
  AddPages(second.not_attempted, &first.not_attempted);
  for (const auto& [between, pages] : second.moved_between) {
    first.moved_between[between] += pages;
  }
  first.kernel_calls += second.kernel_calls;
  first.longest_kernel_call =
      std::max(first.longest_kernel_call, second.longest_kernel_call);
  first.kernel_fidelity_pages += second.kernel_fidelity_pages;
  first.status_missing += second.status_missing;
  first.status_wrong += second.status_wrong;
  return first;
}

}  // namespace pageferry::core
