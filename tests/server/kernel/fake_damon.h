// A made-up /sys/kernel/mm/damon/admin with the rules that Pageferry relies on,
// and those that it has to cope with: mm/damon/{core,sysfs,paddr}.c,
// Linux 6.12.

#ifndef PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_DAMON_H_
#define PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_DAMON_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "tests/server/kernel/fake_memory.h"

namespace pageferry::kernel {

// From when on a scheme's quota counts.
enum class QuotasCount {
  kFromFirstWindow,   // to 6.12.47, and from 6.18
  kFromSecondWindow,  // 6.12.48 and its like
  kNever,             // a kernel that nobody has seen
};

// Used by one thread.
class FakeDamon {
 public:
  static constexpr absl::string_view kRoot =
      "/sys/kernel/mm/damon/admin/kdamonds";

  // `memory` must outlive this.
  explicit FakeDamon(FakeMemory* memory);

  // The kernel was built without it, or sysfs is not mounted.
  void Remove() { values_.clear(); }
  // As sysfs does: a value, or empty; 0, or an errno.
  absl::optional<std::string> Read(const std::string& path) const;
  int Write(const std::string& path, absl::string_view text);
  // One round of the kdamond, which comes every 25 ms.
  void Round();

  std::string slot_folder() const { return std::string(kRoot) + "/0"; }
  bool has_slot() const { return values_.count("0/state") != 0; }
  // Changes when slots are made anew: old folders are gone then.
  int generation() const { return generation_; }
  bool running() const { return running_; }

  QuotasCount quotas = QuotasCount::kFromSecondWindow;
  bool knows_migrate_cold = true;  // 6.11
  bool writable = true;
  // DAMON_RECLAIM or DAMON_LRU_SORT runs.
  bool module_runs = false;
  // The kdamond is turned off before it has begun.
  bool starts_late = false;
  // Called before a slot is turned on, and before each round.
  std::function<void()> before_on;
  std::function<void()> before_round;

  // What happened to memory.
  int migrations = 0;             // schemes of migrate_cold turned on
  std::map<uint64_t, int> tried;  // frames, and how often

 private:
  void MakeContext();
  void MakeScheme();
  void MakeRegions(uint64_t count);
  int WriteState(absl::string_view state);
  // As damon_set_regions() wants them.
  bool RegionsAscend() const;
  bool Limited(uint64_t* bytes);
  void Apply(uint64_t start_bytes, uint64_t size_bytes);
  uint64_t Number(const std::string& name) const;

  FakeMemory* const memory_;
  // By path below kRoot.
  std::map<std::string, std::string> values_;
  int generation_ = 0;
  bool running_ = false;
  int rounds_ = 0;
  // Of the running scheme: round in which its window began, bytes charged.
  int window_start_ = 0;
  bool limited_ = false;
  uint64_t charged_bytes_ = 0;
  uint64_t tried_bytes_ = 0;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_TESTS_SERVER_KERNEL_FAKE_DAMON_H_
