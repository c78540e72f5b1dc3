#include "server/kernel/call_size.h"

#include <algorithm>

namespace pageferry::kernel {
namespace {

using core::Mode;

absl::Duration AimOf(Mode mode) {
  switch (mode) {
    case Mode::kAsync:
      return absl::Milliseconds(2);
    case Mode::kSyncLight:
      return absl::Milliseconds(20);
    case Mode::kSync:
      break;
  }
  return absl::InfiniteDuration();
}

}  // namespace

CallSize::CallSize(Mode mode)
    : aim_(AimOf(mode)),
      fewest_pages_(64),
      most_pages_(mode == Mode::kSync ? 4096 : 512),
      pages_(mode == Mode::kAsync ? fewest_pages_ : most_pages_) {}

void CallSize::Observe(uint64_t pages, absl::Duration length) {
  if (aim_ == absl::InfiniteDuration() || pages < pages_ / 2) return;
  const double fitting =
      static_cast<double>(pages) *
      absl::FDivDuration(aim_, std::max(length, absl::Microseconds(1)));
  // Half way to what would have fitted: one call proves little.
  const double next = (static_cast<double>(pages_) + fitting) / 2;
  pages_ =
      static_cast<uint32_t>(std::clamp(next, static_cast<double>(fewest_pages_),
                                       static_cast<double>(most_pages_)));
}

}  // namespace pageferry::kernel
