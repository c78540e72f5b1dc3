// What goes wrong while pages migrate, and when.

#ifndef PAGEFERRY_SERVER_MODEL_FAULT_SCHEDULE_H_
#define PAGEFERRY_SERVER_MODEL_FAULT_SCHEDULE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/model/machine.h"
#include "server/model/mapping.h"
#include "server/model/model_process.h"
#include "server/model/page_hold.h"

namespace pageferry::model {

// A fault of one page. A hold keeps something of the page busy for a while; an
// event happens once.
struct PageFault {
  PageFaultKind kind = PageFaultKind::kLock;
  // Takes effect just before the try of that number, counted from 0, after the
  // page was isolated. A hold from try 0 is there from the start.
  uint32_t from_try = 0;
  // How long a hold lasts: that many tries of the page, or until a time after
  // the start of the schedule. Neither: for ever. A try that waits uses up one
  // of the tries in each slice of its wait.
  absl::optional<uint32_t> tries;
  absl::optional<absl::Duration> until;
};

// What happens to a process, just before a batch of its pages is tried.
struct ProcessEvent {
  enum class Kind { kExit, kExec, kLosePermission, kSetAllowedNodes };
  Kind kind = Kind::kExit;
  uint64_t batch = 0;            // counted from 0
  std::set<core::NodeId> nodes;  // for kSetAllowedNodes
};

// Somebody takes a node's memory, just before a batch of any process is tried.
struct FillEvent {
  core::NodeId node;
  uint64_t batch = 0;  // counted from 0, over all processes
  uint64_t leave_free_pages = 0;
};

// All faults of a scenario. They follow the migrations' own progress and the
// injected clock, so that a run repeats exactly. Thread-safe.
class FaultSchedule : public Bystanders {
 public:
  // `machine` must outlive this.
  explicit FaultSchedule(Machine* machine);
  // Ends all holds.
  ~FaultSchedule() override;

  // Before Start() only. Processes have different pids.
  void Add(ModelProcess& process, uint64_t page_number, const PageFault& fault);
  void Add(ModelProcess& process, const ProcessEvent& event);
  void Add(const FillEvent& event);

  // Time begins, and with it the holds from try 0, in the order of pids and
  // page numbers.
  void Start();

  // A batch of `process` is about to be tried.
  void BeforeBatch(ModelProcess& process);

  // A page of it is about to be tried. `page`: the isolated page; null where it
  // could not be isolated.
  void BeforeTry(ModelProcess& process, uint64_t page_number, Page* page);

  // Ends the holds whose time has come.
  void Poll();

  // One slice of somebody's wait.
  void OnWait() override;

  // Ends all holds at once.
  void EndAllHolds();

  // Visits the holds that go on, for those who check the machine's books.
  // `visit` must not call back into this.
  void ForEachHold(absl::FunctionRef<void(const PageHold&)> visit);

 private:
  struct ActiveFault {
    PageFault fault;
    bool begun = false;
    uint32_t slices_waited = 0;
    std::unique_ptr<PageHold> hold;
  };
  struct FaultyPage {
    ModelProcess* process = nullptr;
    uint64_t page_number = 0;
    uint32_t tries = 0;
    std::vector<ActiveFault> faults;
  };
  struct FaultyProcess {
    uint64_t batches = 0;
    std::vector<ProcessEvent> events;
    std::map<uint64_t, FaultyPage> pages;
  };

  void Begin(FaultyPage& page, ActiveFault& fault, Page* isolated)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EndDue(FaultyPage& page) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Fill(const FillEvent& event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Machine& machine_;
  absl::Duration started_at_;
  core::Mutex mutex_;
  // By pid: where faults of two processes meet on a page, the order in which
  // they begin decides which of them takes it.
  std::map<int32_t, FaultyProcess> processes_ ABSL_GUARDED_BY(mutex_);
  // Those of processes_ with a hold that goes on.
  std::vector<FaultyPage*> held_pages_ ABSL_GUARDED_BY(mutex_);
  uint64_t batches_ ABSL_GUARDED_BY(mutex_) = 0;
  std::vector<FillEvent> fills_ ABSL_GUARDED_BY(mutex_);
  // What fills nodes.
  const std::shared_ptr<Mapping> filler_;
  uint64_t filler_pages_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_FAULT_SCHEDULE_H_
