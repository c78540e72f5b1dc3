#include "tests/server/kernel/fake_damon.h"

#include <cerrno>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "server/core/types.h"

namespace pageferry::kernel {
namespace {

constexpr uint64_t kRoundMs = 25;
constexpr absl::string_view kContext = "0/contexts/0/";
constexpr absl::string_view kScheme = "0/contexts/0/schemes/0/";
constexpr absl::string_view kRegions = "0/contexts/0/targets/0/regions/";

std::string Context(absl::string_view name) {
  return absl::StrCat(kContext, name);
}
std::string Scheme(absl::string_view name) {
  return absl::StrCat(kScheme, name);
}

}  // namespace

FakeDamon::FakeDamon(FakeMemory* memory) : memory_(memory) {
  values_["nr_kdamonds"] = "0";
}

absl::optional<std::string> FakeDamon::Read(const std::string& path) const {
  absl::string_view name = path;
  if (!absl::ConsumePrefix(&name, absl::StrCat(kRoot, "/"))) {
    return absl::nullopt;
  }
  const auto value = values_.find(std::string(name));
  if (value == values_.end()) return absl::nullopt;
  return value->second;
}

uint64_t FakeDamon::Number(const std::string& name) const {
  uint64_t number = 0;
  const auto value = values_.find(name);
  if (value != values_.end() && !absl::SimpleAtoi(value->second, &number)) {
    return 0;
  }
  return number;
}

void FakeDamon::MakeContext() {
  for (absl::string_view name :
       {"operations", "monitoring_attrs/intervals/sample_us",
        "schemes/nr_schemes", "targets/nr_targets"}) {
    values_[Context(name)] = "0";
  }
}

void FakeDamon::MakeScheme() {
  for (absl::string_view name :
       {"target_nid", "apply_interval_us", "access_pattern/sz/max",
        "access_pattern/nr_accesses/max", "access_pattern/age/max",
        "quotas/bytes", "quotas/reset_interval_ms", "watermarks/high",
        "watermarks/mid", "watermarks/interval_us", "stats/sz_tried"}) {
    values_[Scheme(name)] = "0";
  }
  values_[Scheme("action")] = "stat";
}

void FakeDamon::MakeRegions(uint64_t count) {
  for (uint64_t i = 0; i < count; ++i) {
    values_[absl::StrCat(kRegions, i, "/start")] = "0";
    values_[absl::StrCat(kRegions, i, "/end")] = "0";
  }
}

int FakeDamon::Write(const std::string& path, absl::string_view text) {
  absl::string_view rest = path;
  if (!absl::ConsumePrefix(&rest, absl::StrCat(kRoot, "/"))) return ENOENT;
  const std::string name(rest);
  if (values_.count(name) == 0) return ENOENT;
  if (!writable) return EACCES;
  if (name == "0/state") return WriteState(text);
  if (name == "nr_kdamonds") {
    if (running_) return EBUSY;
    values_ = {{name, std::string(text)}};
    ++generation_;
    if (text == "0") return 0;
    values_["0/state"] = "off";
    values_["0/contexts/nr_contexts"] = "0";
    return 0;
  }
  const bool unknown = text == "migrate_cold" && !knows_migrate_cold;
  if (name == Scheme("action") && unknown) return EINVAL;
  values_[name] = std::string(text);
  if (name == "0/contexts/nr_contexts") MakeContext();
  if (name == Context("schemes/nr_schemes")) MakeScheme();
  if (name == Context("targets/nr_targets")) {
    values_[absl::StrCat(kRegions, "nr_regions")] = "0";
  }
  if (name == absl::StrCat(kRegions, "nr_regions")) MakeRegions(Number(name));
  return 0;
}

int FakeDamon::WriteState(absl::string_view state) {
  if (state == "on") {
    if (before_on) before_on();
    // Whoever made the slots anew turns the new one on by its path.
    if (module_runs || running_ || !has_slot()) return EBUSY;
    if (!RegionsAscend()) return EINVAL;
    running_ = true;
    rounds_ = window_start_ = 0;
    limited_ = false;
    charged_bytes_ = tried_bytes_ = 0;
    values_["0/state"] = "on";
    if (values_[Scheme("action")] == "migrate_cold") ++migrations;
    return 0;
  }
  if (!running_) return EINVAL;
  if (state == "update_schemes_stats") {
    values_[Scheme("stats/sz_tried")] = absl::StrCat(tried_bytes_);
    Round();
    return 0;
  }
  if (!starts_late) Round();
  running_ = false;
  values_["0/state"] = "off";
  return 0;
}

bool FakeDamon::RegionsAscend() const {
  uint64_t end = 0;
  const uint64_t count = Number(absl::StrCat(kRegions, "nr_regions"));
  for (uint64_t i = 0; i < count; ++i) {
    if (Number(absl::StrCat(kRegions, i, "/start")) < end) return false;
    end = Number(absl::StrCat(kRegions, i, "/end"));
  }
  return true;
}

bool FakeDamon::Limited(uint64_t* bytes) {
  // msecs_to_jiffies() makes 2^31 and more "never".
  const uint64_t reset_ms = Number(Scheme("quotas/reset_interval_ms"));
  const uint64_t since_ms = (rounds_ - window_start_) * kRoundMs;
  const bool first = rounds_ == 0;
  if (first) window_start_ = 0;
  if (quotas == QuotasCount::kNever || reset_ms >= uint64_t{1} << 31) {
    return false;
  }
  const bool at_once = first && quotas == QuotasCount::kFromFirstWindow;
  if (at_once || (!first && since_ms >= reset_ms)) {
    limited_ = true;
    window_start_ = rounds_;
    charged_bytes_ = 0;
  }
  const uint64_t quota_bytes = Number(Scheme("quotas/bytes"));
  *bytes = quota_bytes > charged_bytes_ ? quota_bytes - charged_bytes_ : 0;
  return limited_;
}

void FakeDamon::Round() {
  if (before_round) before_round();
  if (!running_) return;
  uint64_t left_bytes = 0;
  const bool limited = Limited(&left_bytes);
  ++rounds_;
  const uint64_t count = Number(absl::StrCat(kRegions, "nr_regions"));
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t start = Number(absl::StrCat(kRegions, i, "/start"));
    uint64_t size = Number(absl::StrCat(kRegions, i, "/end")) - start;
    // An access pattern of zeroes matches nothing.
    if (size > Number(Scheme("access_pattern/sz/max"))) continue;
    if (limited && size > left_bytes) {
      size = left_bytes / core::kPageBytes * core::kPageBytes;
    }
    left_bytes -= limited ? size : 0;
    charged_bytes_ += size;
    tried_bytes_ += size;
    Apply(start, size);
  }
}

void FakeDamon::Apply(uint64_t start_bytes, uint64_t size_bytes) {
  if (values_[Scheme("action")] != "migrate_cold") return;
  const int node = static_cast<int>(Number(Scheme("target_nid")));
  const uint64_t first = start_bytes / core::kPageBytes;
  for (uint64_t i = 0; i < size_bytes / core::kPageBytes; ++i) {
    ++tried[first + i];
    FakeFolio* folio = memory_->FolioAt(first + i);
    const bool movable = folio != nullptr && folio->head == first + i &&
                         folio->node != node && folio->lru == Lru::kOnList &&
                         !folio->hugetlb && !folio->locked && !folio->writeback;
    if (movable) memory_->Migrate(folio, node);
  }
}

}  // namespace pageferry::kernel
