// A line at the bottom of a terminal that says how far a migration is.

#ifndef PAGEFERRY_CLIENT_CLI_PROGRESS_BAR_H_
#define PAGEFERRY_CLIENT_CLI_PROGRESS_BAR_H_

#include <cstdint>
#include <ostream>

#include "absl/time/time.h"

namespace pageferry::client::cli {

class ProgressBar {
 public:
  // `out` must outlive it. Draws nothing unless `enabled`.
  ProgressBar(std::ostream* out, bool enabled) : out_(out), enabled_(enabled) {}
  // Wipes itself away.
  ~ProgressBar() { Hide(); }

  // Draws, but seldom enough that a fast migration does not wait for it.
  // `total_pages` of 0: not known.
  void Update(uint64_t done_pages, uint64_t total_pages);

  // Makes room for other output until the next update.
  void Hide();

 private:
  std::ostream* const out_;
  const bool enabled_;
  bool shown_ = false;
  absl::Time drawn_ = absl::InfinitePast();
};

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_PROGRESS_BAR_H_
