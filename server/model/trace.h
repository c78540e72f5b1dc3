// What the machine counts and records of migrations.

#ifndef PAGEFERRY_SERVER_MODEL_TRACE_H_
#define PAGEFERRY_SERVER_MODEL_TRACE_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "server/core/mutex.h"
#include "server/core/types.h"

namespace pageferry::model {

// Counters as in /proc/vmstat, in base pages where they count pages.
// Thread-safe.
struct Vmstat {
  std::atomic<uint64_t> pgmigrate_success{0};
  std::atomic<uint64_t> pgmigrate_fail{0};
  std::atomic<uint64_t> thp_split{0};  // huge pages
  std::atomic<uint64_t> numa_hint_faults{0};
};

// Why a list of pages was migrated (enum migrate_reason).
enum class MigrateReason : uint8_t { kSyscall = 1 };

// One record of the tracepoint migrate:mm_migrate_pages.
struct MigrateTrace {
  uint64_t succeeded = 0;
  uint64_t failed = 0;
  core::Mode mode = core::Mode::kAsync;
  MigrateReason reason = MigrateReason::kSyscall;

  friend bool operator==(const MigrateTrace&, const MigrateTrace&) = default;
};

// The last records, oldest first. Thread-safe.
class TraceRing {
 public:
  static constexpr size_t kCapacity = 1024;

  void Add(const MigrateTrace& record);
  std::vector<MigrateTrace> Read() const;

 private:
  mutable core::Mutex mutex_;
  std::deque<MigrateTrace> records_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_TRACE_H_
