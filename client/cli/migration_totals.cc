#include "client/cli/migration_totals.h"

#include <algorithm>

#include "client/cli/words.h"

namespace pageferry::client::cli {
namespace {

void AddFailures(const v1::MigrationSummary& part,
                 v1::MigrationSummary* total) {
  for (const v1::ReasonCount& added : part.failures()) {
    auto* failures = total->mutable_failures();
    const auto same = std::find_if(failures->begin(), failures->end(),
                                   [&](const v1::ReasonCount& count) {
                                     return count.reason() == added.reason();
                                   });
    if (same == failures->end()) {
      *failures->Add() = added;
    } else {
      same->set_page_count(same->page_count() + added.page_count());
    }
  }
}

void AddMovedTo(const v1::MigrationSummary& part, v1::MigrationSummary* total) {
  for (const v1::NodePages& added : part.moved_to()) {
    auto* nodes = total->mutable_moved_to();
    const auto same = std::find_if(
        nodes->begin(), nodes->end(),
        [&](const v1::NodePages& node) { return node.node() == added.node(); });
    if (same == nodes->end()) {
      *nodes->Add() = added;
    } else {
      same->set_page_count(same->page_count() + added.page_count());
    }
  }
}

void AddCounts(const v1::MigrationSummary& part, v1::MigrationSummary* total) {
  total->set_requested_pages(total->requested_pages() + part.requested_pages());
  total->set_moved_pages(total->moved_pages() + part.moved_pages());
  total->set_already_placed_pages(total->already_placed_pages() +
                                  part.already_placed_pages());
  total->set_failed_pages(total->failed_pages() + part.failed_pages());
  total->set_not_attempted_pages(total->not_attempted_pages() +
                                 part.not_attempted_pages());
  total->set_would_move_pages(total->would_move_pages() +
                              part.would_move_pages());
  total->set_companion_pages(total->companion_pages() + part.companion_pages());
  total->set_moved_bytes(total->moved_bytes() + part.moved_bytes());
  total->set_retried_pages(total->retried_pages() + part.retried_pages());
  total->set_kernel_calls(total->kernel_calls() + part.kernel_calls());
  total->set_kernel_fidelity_pages(total->kernel_fidelity_pages() +
                                   part.kernel_fidelity_pages());
  total->set_unverified_pages(total->unverified_pages() +
                              part.unverified_pages());
}

}  // namespace

void MigrationTotals::Add(const v1::MigrationSummary& part) {
  summarized = true;
  AddCounts(part, &summary);
  AddFailures(part, &summary);
  AddMovedTo(part, &summary);
  summary.set_passes(std::max(summary.passes(), part.passes()));
  *summary.mutable_elapsed() =
      ToProto(ToDuration(summary.elapsed()) + ToDuration(part.elapsed()));
  *summary.mutable_longest_kernel_call() =
      ToProto(std::max(ToDuration(summary.longest_kernel_call()),
                       ToDuration(part.longest_kernel_call())));
  if (summary.stop_reason() == v1::STOP_REASON_UNSPECIFIED ||
      summary.stop_reason() == v1::STOP_REASON_COMPLETED) {
    summary.set_stop_reason(part.stop_reason());
  }
}

uint64_t MigrationTotals::PagesLeft(bool shared_may_stay) const {
  uint64_t may_stay = 0;
  for (const v1::ReasonCount& failure : summary.failures()) {
    if (IsAbsent(failure.reason()) ||
        (shared_may_stay && failure.reason() == v1::PAGE_REASON_SHARED)) {
      may_stay += failure.page_count();
    }
  }
  const uint64_t unmoved =
      summary.failed_pages() + summary.not_attempted_pages();
  return unmoved - std::min(may_stay, unmoved) + unsent_pages + unknown_pages;
}

bool IsAbsent(v1::PageReason reason) {
  return reason == v1::PAGE_REASON_INVALID ||
         reason == v1::PAGE_REASON_NOT_PRESENT ||
         reason == v1::PAGE_REASON_NOT_MAPPED ||
         reason == v1::PAGE_REASON_SWAPPED_OUT ||
         reason == v1::PAGE_REASON_ZERO_PAGE;
}

}  // namespace pageferry::client::cli
