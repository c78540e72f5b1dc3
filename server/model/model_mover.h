// Moves pages of a modelled process: isolates them, has the migration core try
// each, and says where they are then.

#ifndef PAGEFERRY_SERVER_MODEL_MODEL_MOVER_H_
#define PAGEFERRY_SERVER_MODEL_MODEL_MOVER_H_

#include <cstdint>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "server/core/backend.h"
#include "server/core/batch_mover.h"
#include "server/core/page_list.h"
#include "server/core/telemetry.h"
#include "server/model/fault_schedule.h"
#include "server/model/look.h"
#include "server/model/machine.h"
#include "server/model/migrate.h"
#include "server/model/model_process.h"

namespace pageferry::model {

// One migration, as the kernel's migrate_pages() sees it: pages stay isolated
// from their first try to their last, and the counters and the trace record are
// written at the end, which is the destruction.
class ModelMover final : public core::BatchMover {
 public:
  // All must outlive this. `faults` and `telemetry` may be null.
  struct World {
    Machine* machine;
    FaultSchedule* faults = nullptr;
    core::Telemetry* telemetry = nullptr;
  };

  ModelMover(const World& world, std::shared_ptr<ModelProcess> process,
             uint64_t generation, const core::PageList* pages,
             const core::MoveParameters& parameters);
  ~ModelMover() override;

  uint32_t preferred_batch_pages() const override;
  core::StopReason TryBatch(const core::Batch& batch,
                            const core::MigrationControl& control) override;
  const core::MoverStatistics& statistics() const override {
    return statistics_;
  }

 private:
  // What the tries of one batch share.
  struct BatchState {
    const core::Batch& batch;
    MoveContext context;
  };
  // What a huge page was last answered, while its frames are that page.
  struct FolioAnswer {
    uint32_t allocation = 0;
    core::Answer answer = core::Answer::kUntried;
    core::Reason reason = core::Reason::kNone;
  };

  core::StopReason ProcessStop() const;
  void TryPages(BatchState& state);
  bool StaysIsolated(const BatchState& state, core::PageAttempt& attempt);
  void LookAndIsolate(const BatchState& state, core::PageAttempt& attempt);
  void SettleByLook(const BatchState& state, const PageView& view,
                    core::PageAttempt& attempt);
  bool BoundElsewhere(const BatchState& state, const PageView& view,
                      core::PageAttempt& attempt) const;
  void SettleHiddenOrMissing(const PageView& view, core::PageAttempt& attempt);
  void SettleHinted(const PageView& view, core::PageAttempt& attempt);
  void MayMove(const BatchState& state, const PageView& view,
               core::PageAttempt& attempt);
  bool Refused(const BatchState& state, const Page& folio) const;
  void Isolate(const PageView& view, core::PageAttempt& attempt);
  bool AnsweredWithFolio(core::PageAttempt& attempt);
  void TryPage(BatchState& state, core::PageAttempt& attempt);
  void NoteResult(BatchState& state, const MoveResult& result, Page& folio,
                  core::PageAttempt& attempt);
  void CountLeftover(uint32_t pages);
  void KeepIsolated(uint64_t page_number);
  void SettleMoved(BatchState& state, core::Reason reason,
                   core::PageAttempt& attempt);
  void CountCompanions(const core::PageAttempt& attempt);
  core::NodeId SourceOf(const core::PageAttempt& attempt) const;
  core::PageRun FolioOf(const core::PageAttempt& attempt) const;

  const World world_;
  const std::shared_ptr<ModelProcess> process_;
  const uint64_t generation_;
  const core::PageList& pages_;
  const core::MoveParameters parameters_;

  // What we have isolated, by the page number that asked for it, and the folios
  // of it.
  absl::flat_hash_map<uint64_t, Page*> isolated_;
  absl::flat_hash_set<Page*> isolated_folios_;
  // Isolated pages whose last answer was "again".
  absl::flat_hash_set<uint64_t> retrying_;
  // For the other addresses in huge pages that did not move and are whole.
  absl::flat_hash_map<Page*, FolioAnswer> answered_folios_;
  // Where hugetlb pages that moved came from, by their first page number.
  absl::flat_hash_map<uint64_t, core::NodeId> moved_folios_;
  uint64_t succeeded_ = 0;
  uint64_t failed_ = 0;
  core::MoverStatistics statistics_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MODEL_MOVER_H_
