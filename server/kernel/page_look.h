// One look at pages: where each is, and if nowhere, why.
//
// Puts together a location query (move_pages(2) without nodes), pagemap,
// kpageflags where they can be seen, and the mappings. Touches nothing.

#ifndef PAGEFERRY_SERVER_KERNEL_PAGE_LOOK_H_
#define PAGEFERRY_SERVER_KERNEL_PAGE_LOOK_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/topology.h"
#include "server/core/types.h"
#include "server/kernel/address_space.h"
#include "server/kernel/page_map.h"
#include "server/kernel/process_identity.h"
#include "server/kernel/system_calls.h"

namespace pageferry::kernel {

// What one look found of one page.
struct PageView {
  // Known where the page is resident and the kernel tells.
  core::NodeId node;
  // Resident, though the kernel does not tell where.
  bool hidden = false;
  // Resident, but put there by the kernel itself (vdso): never moves.
  bool fixed = false;
  // Dirty, and of a file system whose dirty pages the kernel writes out before
  // it moves them. Seen where frames are visible.
  bool writes_out = false;
  // Why `node` is unknown.
  core::Reason reason = core::Reason::kNone;
  PagemapEntry entry;
  // The folio, where frames are visible.
  absl::optional<FolioState> folio;

  bool resident() const { return node.known() || hidden; }
  // Mapped more than once; more telling than the folio's map count, which
  // counts one frame.
  bool shared() const { return entry.present() && !entry.exclusive(); }
};

// Looks at pages of one process. Used by one thread at a time.
class PageLooker {
 public:
  // `system` and `process` must outlive this.
  PageLooker(SystemCalls* system, std::string proc_root,
             const ProcessIdentity* process);

  // Fills views[i] for addresses[i]. Addresses are of pages, ascending for
  // speed. Refuses with kProcessNotFound when the process has exited or was
  // replaced, with kKernelRefuses when access was denied.
  absl::Status Look(absl::Span<const uint64_t> addresses,
                    absl::Span<PageView> views);

  // Touches pages that hide behind a NUMA hint, one read each, which takes the
  // hint away; those that cannot be read stay hidden. Only for pages that one
  // process maps: the read pins the page, and pinning breaks copy-on-write
  // sharing (4-kernel-facts, seen on 6.12). Linux 6.1 to 6.4 neither locate nor
  // move a page that hides so.
  void Touch(absl::Span<const uint64_t> addresses);

  // The mappings, from maps, read anew.
  absl::StatusOr<AddressSpace> ReadMappings() const;

  // Whether page frames, and hence states, can be seen.
  bool frames_visible() const { return frames_.has_value(); }

 private:
  // The mappings, read at the first call after a look began.
  const AddressSpace& Mappings();
  absl::Status QueryNodes(absl::Span<const uint64_t> addresses);
  absl::Status ReadPagemap(absl::Span<const uint64_t> addresses,
                           std::vector<PagemapEntry>* entries);
  void LookAtFrames(absl::Span<const uint64_t> addresses,
                    absl::Span<PageView> views);
  void Classify(uint64_t address, int status, PageView* view);
  bool WritesOut(const PageView& view, const Mapping& mapping);
  absl::Status ExitedOr(const absl::Status& status) const;

  SystemCalls* const system_;
  const std::string proc_root_;
  const ProcessIdentity* const process_;
  const KernelVersion kernel_version_;
  absl::optional<FrameStates> frames_;
  absl::optional<AddressSpace> mappings_;
  absl::optional<FileSystems> file_systems_;
  // Reused from look to look.
  std::vector<int> statuses_;
  std::vector<PagemapEntry> entries_;
  std::vector<PagemapEntry> entries_again_;
};

// The states that a view shows.
core::PageStateSet StatesOf(const PageView& view);

// Refusals that several callers need.
absl::Status ProcessGone(int32_t pid);
absl::Status AccessDenied(int32_t pid, absl::string_view missing);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_PAGE_LOOK_H_
