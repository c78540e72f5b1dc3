#include "tests/server/model/decision_table.h"

#include "absl/strings/str_cat.h"

namespace pageferry::model {
namespace {

using core::Reason;

constexpr Cell kOk = {Verdict::kSuccess};
constexpr Cell kFreed = {Verdict::kSuccess, Reason::kNotPresent};
constexpr Cell kWait = {Verdict::kSuccess, Reason::kNone, true};
constexpr Cell kFull = {Verdict::kNoMemory, Reason::kNoMemory};
constexpr Cell Again(Reason reason) { return {Verdict::kAgain, reason}; }
constexpr Cell Busy(Reason reason) { return {Verdict::kBusy, reason}; }
constexpr Cell kLocked = Again(Reason::kLocked);
constexpr Cell kPinned = Again(Reason::kPinned);
constexpr Cell kBusy = Again(Reason::kBusy);
constexpr Cell kRefused = Busy(Reason::kBusy);
constexpr Cell kDirty = Busy(Reason::kDirty);
constexpr Cell kNotWaitedFor = Busy(Reason::kWriteback);
constexpr Cell kNoWriter = {Verdict::kInvalid, Reason::kUnsupported};
constexpr Cell kWriteError = {Verdict::kIoError, Reason::kIoError};
constexpr Cell kUnsupported = {Verdict::kNoSys, Reason::kUnsupported};
constexpr Cell kWritten = Again(Reason::kWriteback);

Cells All(Cell cell) { return {cell, cell, cell}; }

// A row that says the same in all passes.
Row Always(absl::string_view number, absl::string_view function,
           absl::string_view state, Cells cells, std::string scenario,
           unsigned traits = kPlain) {
  return {std::string(number),
          std::string(function),
          std::string(state),
          cells,
          cells,
          std::move(scenario),
          traits};
}

std::string Process(absl::string_view region) {
  return absl::StrCat("processes { pid: 10 regions { start_address: 0x10000 ",
                      region, " } }\n");
}

std::string Anonymous(absl::string_view more = "") {
  return Process(absl::StrCat("pages: 2 placements { node: 0 } ", more));
}

std::string HugePage(absl::string_view kind, absl::string_view more = "",
                     absl::string_view other_region = "") {
  return absl::StrCat(
      "processes { pid: 10 regions { start_address: 0x200000 pages: 512 kind: ",
      kind, " placements { node: 0 } ", more, " } ", other_region, " }\n");
}

std::string OfFile(absl::string_view file) {
  return absl::StrCat("files { name: 'f' pages: 1 placements { node: 0 } ",
                      file, " }\n",
                      Process("pages: 1 kind: REGION_KIND_FILE source: 'f'"));
}

// Of a file system without a migrate operation.
std::string OfPlainFile(absl::string_view file) {
  return OfFile(absl::StrCat("migrate: MIGRATE_OPERATION_NONE ", file));
}

std::string OfBufferFile() {
  return OfFile("migrate: MIGRATE_OPERATION_BUFFER private_data: true");
}

std::string OfBalloon(absl::string_view balloon = "") {
  return absl::StrCat(
      "balloons { name: 'b' pages: 1 placements { node: 0 } ", balloon, " }\n",
      Process("pages: 1 kind: REGION_KIND_BALLOON source: 'b'"));
}

std::string Merged() {
  return Process("pages: 1 kind: REGION_KIND_MERGED placements { node: 0 }") +
         "processes { pid: 11 regions { start_address: 0x90000 pages: 1 "
         "kind: REGION_KIND_MERGED placements { node: 0 } } }\n";
}

// A fault of the page that outlasts all passes, but not a wait.
std::string Fault(absl::string_view kind, uint64_t page = kPage) {
  return absl::StrCat("page_faults { kind: PAGE_FAULT_KIND_", kind,
                      " pid: 10 address: ", page * core::kPageBytes,
                      " tries: 50 }\n");
}

// Allocation, locks, writeback and the reverse mapping.
std::vector<Row> UnmapRows() {
  const char* const whole = "unmap_and_move";
  const char* const locked = "unmap_and_move_locked";
  const std::string full = "fill_events { node: 1 }\n";
  return {
      Always("0", whole, "nothing is in the way", All(kOk), Anonymous()),
      Always("0", whole, "mlocked", All(kOk), Anonymous("mlocked: true")),
      Always("1", whole, "allocation fails", All(kFull), Anonymous() + full),
      Always("1", whole, "allocation fails, freed meanwhile", All(kFull),
             Anonymous() + full + Fault("UNMAP"), kUnmapsPage),
      Always("2", whole, "freed meanwhile", All(kFreed),
             Anonymous() + Fault("UNMAP"), kUnmapsPage),
      {"4",
       locked,
       "locked",
       All(kLocked),
       {kLocked, kWait, kWait},
       Anonymous() + Fault("LOCK")},
      Always("4", locked, "locked, caller reclaims memory", All(kLocked),
             "traits { callers_reclaim_memory: true }\n" + Anonymous() +
                 Fault("LOCK")),
      {"5",
       locked,
       "under writeback",
       {kNotWaitedFor, kNotWaitedFor, kWritten},
       {kNotWaitedFor, kNotWaitedFor, kWait},
       Anonymous() + Fault("WRITEBACK")},
      Always("6", locked, "anon_vma gone, not in swapcache", All(kBusy),
             Anonymous() + Fault("PIN") + Fault("UNMAP"), kUnmapsPage),
      Always("7", locked, "anon_vma gone, in swapcache", All(kOk),
             Anonymous("swap_cached: true") + Fault("UNMAP"), kUnmapsPage),
      Always("8", locked, "KSM", All(kOk), Merged()),
      Always("9", "balloon_page_migrate", "balloon page", All(kOk),
             OfBalloon()),
      Always("9", "balloon_page_migrate", "balloon page, driver's lock busy",
             All(kLocked), OfBalloon() + Fault("BALLOON_LOCK")),
      Always("9", "balloon_page_migrate", "balloon page, host refuses",
             All(kRefused), OfBalloon("refuses_migration: true")),
      Always("10", locked, "orphan with private data", All(kBusy),
             OfPlainFile("private_data: true keeps_private_data: true") +
                 Fault("TRUNCATE"),
             kUnmapsPage | kChanges),
      Always("10", locked, "orphan with buffers", All(kBusy),
             OfFile("migrate: MIGRATE_OPERATION_BUFFER private_data: true "
                    "keeps_private_data: true") +
                 Fault("TRUNCATE"),
             kUnmapsPage | kChanges),
      Always("11", locked, "no mapping, no private data: on to 13",
             All(kPinned), OfFile("") + Fault("PIN") + Fault("TRUNCATE"),
             kUnmapsPage),
      Always("12", "try_to_unmap", "still mapped after unmapping", All(kBusy),
             Anonymous("temporary_stack: true")),
      // The child's mapping is taken away, and put back.
      Always("12", "try_to_unmap", "still mapped in one of two processes",
             All(kBusy),
             Anonymous("temporary_stack: true") +
                 "processes { pid: 11 fork_of: 10 }\n",
             kOnlyLoads),
  };
}

// What the mapping's operations make of an unmapped page.
std::vector<Row> MoveRows() {
  const char* const move_mapping = "migrate_page_move_mapping";
  const char* const buffers = "buffer_migrate_page";
  const char* const fallback = "fallback_migrate_page";
  return {
      Always("13", move_mapping, "anonymous, count over expected", All(kPinned),
             Anonymous() + Fault("PIN")),
      Always("14", "migrate_page", "file page as expected", All(kOk),
             OfFile("")),
      Always("14", move_mapping, "file page, count over expected", All(kPinned),
             OfFile("") + Fault("PIN")),
      Always("14", move_mapping, "file page, slot changed", All(kBusy),
             OfFile("") + Fault("REPLACE_SLOT"), kBooksBroken),
      Always("15", buffers, "no buffer is locked", All(kOk), OfBufferFile()),
      Always("15", buffers, "a buffer is locked", {kLocked, kWait, kWait},
             OfBufferFile() + Fault("BUFFER_LOCK")),
      Always("15", buffers, "buffers, count over expected", All(kPinned),
             OfBufferFile() + Fault("PIN")),
      Always("16", "network_migrate_page", "no request in flight", All(kOk),
             OfFile("migrate: MIGRATE_OPERATION_NETWORK")),
      Always("16", "network_migrate_page", "request in flight", All(kRefused),
             OfFile("migrate: MIGRATE_OPERATION_NETWORK") +
                 Fault("REQUEST_IN_FLIGHT")),
      Always("17", "writeout", "dirty, no migrate operation, no writer",
             {kDirty, kDirty, kNoWriter},
             OfPlainFile("dirty: true writepage: WRITEPAGE_OPERATION_NONE"),
             kOnlyLoads),
      Always("17", "writeout", "the same, another writer",
             {kDirty, kDirty, kWritten},
             OfPlainFile("dirty: true") + Fault("ANOTHER_WRITER"), kOnlyLoads),
      Always("17", "writeout", "the same, writing fails",
             {kDirty, kDirty, kWriteError},
             OfPlainFile("dirty: true writepage: WRITEPAGE_OPERATION_FAILS"),
             kOnlyLoads),
      Always("17", "writeout", "the same, written", {kDirty, kDirty, kWritten},
             OfPlainFile("dirty: true"), kOnlyLoads | kChanges),
      Always("18", fallback, "clean, private data not releasable", All(kBusy),
             OfPlainFile("private_data: true keeps_private_data: true"),
             kOnlyLoads),
      Always("19", fallback, "clean, releasable", All(kOk),
             OfPlainFile("private_data: true"), kOnlyLoads | kReleases),
      Always("19", fallback, "clean, count over expected", All(kPinned),
             OfPlainFile("") + Fault("PIN"), kOnlyLoads),
      Always("19", fallback, "clean, slot changed", All(kBusy),
             OfPlainFile("") + Fault("REPLACE_SLOT"),
             kOnlyLoads | kBooksBroken),
  };
}

}  // namespace

absl::string_view TableNodes() {
  return R"pb(
    nodes { id: 0 capacity_pages: 1536 has_cpu: true }
    nodes { id: 1 capacity_pages: 1536 }
  )pb";
}

std::vector<Row> BasePageRows() {
  std::vector<Row> rows = UnmapRows();
  for (Row& row : MoveRows()) rows.push_back(std::move(row));
  return rows;
}

std::vector<Row> HugePageRows() {
  const char* const hugetlb_move = "unmap_and_move_huge_page";
  const std::string thp = HugePage("REGION_KIND_HUGE");
  const std::string hugetlb = HugePage("REGION_KIND_HUGETLB");
  return {
      Always("3", "split_huge_page", "THP that can be split", All(kOk), thp),
      Always("3", "unmap_and_move", "THP that cannot be split",
             All(Busy(Reason::kPinned)), thp + Fault("PIN", kHugePage)),
      Always(
          "3", "unmap_and_move", "the same, quirks of 4.0: counts as success",
          All(kOk),
          "traits { linux_4_0_quirks: true }\n" + thp + Fault("PIN", kHugePage),
          kQuirk),
      Always("H0", hugetlb_move, "hugetlb", All(kOk), hugetlb),
      Always("H1", hugetlb_move, "hugetlb migration unsupported",
             All(kUnsupported),
             "traits { no_hugetlb_migration: true }\n" + hugetlb),
      Always("H2", hugetlb_move, "allocation fails", All(kFull),
             // Enough for the base page behind it, were that still tried.
             HugePage("REGION_KIND_HUGETLB", "",
                      "regions { start_address: 0x400000 pages: 1 "
                      "placements { node: 0 } }") +
                 "fill_events { node: 1 leave_free_pages: 511 }\n"),
      {"H3",
       hugetlb_move,
       "locked",
       All(kLocked),
       {kLocked, kLocked, kWait},
       hugetlb + Fault("LOCK", kHugePage)},
      Always("H4", hugetlb_move, "extra references", All(kPinned),
             hugetlb + Fault("PIN", kHugePage)),
      Always("H4", hugetlb_move, "still mapped", All(kBusy),
             HugePage("REGION_KIND_HUGETLB", "temporary_stack: true")),
  };
}

}  // namespace pageferry::model
