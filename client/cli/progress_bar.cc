#include "client/cli/progress_bar.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_format.h"
#include "absl/time/clock.h"

namespace pageferry::client::cli {
namespace {

constexpr int kWidth = 40;
constexpr absl::Duration kInterval = absl::Milliseconds(100);

}  // namespace

void ProgressBar::Update(uint64_t done_pages, uint64_t total_pages) {
  const absl::Time now = absl::Now();
  const bool nothing_to_say = done_pages == 0 && total_pages == 0;
  if (!enabled_ || nothing_to_say || now - drawn_ < kInterval) return;
  shown_ = true;
  drawn_ = now;
  if (total_pages == 0) {
    *out_ << absl::StreamFormat("\r%u pages", done_pages) << std::flush;
    return;
  }
  const double part = std::min(
      1.0, static_cast<double>(done_pages) / static_cast<double>(total_pages));
  const int filled = static_cast<int>(part * kWidth);
  *out_ << absl::StreamFormat("\r[%s%s] %3.0f%% %u/%u pages",
                              std::string(filled, '#'),
                              std::string(kWidth - filled, '.'), part * 100,
                              done_pages, total_pages)
        << std::flush;
}

void ProgressBar::Hide() {
  if (!shown_) return;
  *out_ << "\r\x1b[K" << std::flush;
  shown_ = false;
}

}  // namespace pageferry::client::cli
