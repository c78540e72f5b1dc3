// Lists of pages: as people write them, and as requests carry them.

#ifndef PAGEFERRY_CLIENT_CLI_PAGES_H_
#define PAGEFERRY_CLIENT_CLI_PAGES_H_

#include <cstdint>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

// Base pages of x86-64.
inline constexpr uint64_t kPageBytes = 4096;

// Consecutive pages by number, that is address / kPageBytes.
struct PageRun {
  uint64_t first_page = 0;
  uint64_t page_count = 0;

  friend bool operator==(const PageRun&, const PageRun&) = default;
};

// The page that holds an address: hexadecimal with 0x, or decimal. All three
// give INVALID_ARGUMENT with words for the person who wrote it.
absl::StatusOr<PageRun> ParseAddress(absl::string_view text);
// START:PAGES. START is rounded down to its page.
absl::StatusOr<PageRun> ParseRange(absl::string_view text);
// One ADDRESS or START:PAGES a line; # begins a comment, empty lines are
// skipped. The error names `name` and the line. Reads to the end.
absl::StatusOr<std::vector<PageRun>> ReadPageList(absl::string_view name,
                                                  std::istream& input);

// Pages as the command line names them; all three together are one list.
struct PageArguments {
  std::vector<std::string> ranges;
  std::vector<std::string> addresses;
  std::string file;  // "-": standard input

  bool empty() const {
    return ranges.empty() && addresses.empty() && file.empty();
  }
};

// The pages, normalized. Reads the file. INVALID_ARGUMENT: what is wrong, or
// that no page is named.
absl::StatusOr<std::vector<PageRun>> ReadPages(const PageArguments& arguments,
                                               std::istream& standard_input);

// The same pages, each once, by ascending address, neighbours merged.
std::vector<PageRun> Normalize(std::vector<PageRun> runs);

uint64_t CountPages(const std::vector<PageRun>& runs);

// What one request may hold, by the contract (GetCapabilities, Limits).
struct RequestLimits {
  uint64_t pages = 16'777'216;
  uint64_t ranges = 65'536;
  // 4 MiB, less what else is in the message.
  uint64_t bytes = 4 * 1024 * 1024 - 64 * 1024;
};

// Pages for one request.
struct PageChunk {
  std::vector<PageRun> ranges;
  std::vector<uint64_t> addresses;
  uint64_t page_count = 0;

  // Adds them to a PageBatch or a LocatePagesRequest.
  template <typename Message>
  void AppendTo(Message* message) const {
    for (const PageRun& run : ranges) {
      v1::PageRange* range = message->add_ranges();
      range->set_start_address(run.first_page * kPageBytes);
      range->set_page_count(run.page_count);
    }
    message->mutable_addresses()->Add(addresses.begin(), addresses.end());
  }
};

// Deals normalized runs out to as few requests as their order allows. Single
// pages travel as addresses, which are shorter and not counted as ranges.
std::vector<PageChunk> SplitPages(const std::vector<PageRun>& runs,
                                  const RequestLimits& limits = {});

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_PAGES_H_
