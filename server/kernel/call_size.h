// How many pages a kernel call takes, so that it lasts about as long as the
// mode aims for.

#ifndef PAGEFERRY_SERVER_KERNEL_CALL_SIZE_H_
#define PAGEFERRY_SERVER_KERNEL_CALL_SIZE_H_

#include <cstdint>

#include "absl/time/time.h"
#include "server/core/types.h"

namespace pageferry::kernel {

// A call cannot be interrupted: its length is the time for which a cancel has
// to wait. Aims: async 2 ms with 64 to 512 pages a call, sync-light 20 ms with
// up to 512, sync no aim with 4,096. Used by one thread at a time.
class CallSize {
 public:
  explicit CallSize(core::Mode mode);

  // Base pages of the next call; a folio counts whole, and one always fits.
  uint32_t pages() const { return pages_; }

  // Learns from a call that moved `pages` base pages in `length`.
  void Observe(uint64_t pages, absl::Duration length);

 private:
  const absl::Duration aim_;
  const uint32_t fewest_pages_;
  const uint32_t most_pages_;
  uint32_t pages_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_CALL_SIZE_H_
