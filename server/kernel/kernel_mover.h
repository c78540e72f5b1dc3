// The kernel's side of the pass loop: looks at a batch, settles what needs no
// move, holds back what the mode may not wait for, and moves the rest.

#ifndef PAGEFERRY_SERVER_KERNEL_KERNEL_MOVER_H_
#define PAGEFERRY_SERVER_KERNEL_KERNEL_MOVER_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/backend.h"
#include "server/core/batch_mover.h"
#include "server/core/telemetry.h"
#include "server/kernel/damon_mover.h"
#include "server/kernel/page_look.h"
#include "server/kernel/page_mover.h"
#include "server/kernel/screen.h"

namespace pageferry::kernel {

// Moves pages of one process for one migration. See core::BatchMover.
class KernelMover final : public core::BatchMover {
 public:
  // All pointers must outlive this. `huge_page_hints`: the mappings as smaps
  // shows them, where frames are not visible; empty otherwise.
  KernelMover(SystemCalls* system, const std::string& proc_root,
              const ProcessIdentity* process, const core::PageList* pages,
              const core::MoveParameters& parameters,
              absl::optional<AddressSpace> huge_page_hints, Damon* damon,
              core::Telemetry* telemetry);

  uint32_t preferred_batch_pages() const override;
  uint32_t block_pages() const override { return core::kHugePagePages; }
  core::StopReason TryBatch(const core::Batch& batch,
                            const core::MigrationControl& control) override;
  const core::MoverStatistics& statistics() const override {
    return statistics_;
  }

 private:
  // The pages of a batch that are to move, by how they are to be submitted.
  struct Plan {
    std::vector<MovingPage> plain;
    std::vector<MovingPage> last;
    std::vector<MovingPage> alone;
  };

  // Moves with fidelity KERNEL what can be, and leaves the rest untried.
  core::StopReason TryKernel(const core::Batch& batch,
                             const core::MigrationControl& control);
  core::StopReason TryScreened(const core::Batch& batch,
                               const core::MigrationControl& control);
  // TryScreened in batches of the size that is right for it.
  core::StopReason TryScreenedInParts(const core::Batch& batch,
                                      const core::MigrationControl& control);
  void SumUp();
  core::StopReason LookAt(const core::Batch& batch);
  core::StopReason Look(absl::Span<const uint64_t> addresses,
                        absl::Span<PageView> views);
  core::StopReason LookAgainAt(const std::vector<size_t>& indices);
  void Uncover(const std::vector<size_t>& hidden);
  void Decide(const core::Batch& batch, size_t index, Plan* plan);
  bool SettledWithoutMove(const core::Batch& batch, const PageView& view,
                          core::PageAttempt* attempt);
  // Answers for a page whose folio the request sends to another destination.
  bool SettledByItsFolio(const core::Batch& batch, const PageView& view,
                         core::PageAttempt* attempt) const;
  core::PageRun FolioRange(core::VirtualAddress address,
                           const PageView& view) const;
  std::vector<MovingFolio> Folios(absl::Span<const MovingPage> pages) const;

  const core::PageList* const pages_;
  const core::MoveParameters parameters_;
  const absl::optional<AddressSpace> huge_page_hints_;
  PageLooker looker_;
  PageMover mover_;
  absl::optional<DamonMover> damon_mover_;
  core::MoverStatistics statistics_;
  // The untried pages of the batch: their index in it, address and view.
  std::vector<size_t> indices_;
  std::vector<uint64_t> addresses_;
  std::vector<PageView> views_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_KERNEL_MOVER_H_
