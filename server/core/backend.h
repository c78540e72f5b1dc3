// The interface behind which the running kernel and the model stand.

#ifndef PAGEFERRY_SERVER_CORE_BACKEND_H_
#define PAGEFERRY_SERVER_CORE_BACKEND_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "server/core/batch_mover.h"
#include "server/core/page_list.h"
#include "server/core/topology.h"
#include "server/core/types.h"

namespace pageferry::core {

// How pages of one process are to be moved.
struct MoveParameters {
  Mode mode = Mode::kAsync;
  // Whether pages that more than one process maps move too.
  bool move_shared = false;
  // Answer kWouldMove instead of moving; touch nothing.
  bool validate_only = false;
  Fidelity preferred_fidelity = Fidelity::kScreened;
};

// Where consecutive pages are to which everything applies alike.
struct LocatedRun {
  PageRun run;
  bool resident = false;
  NodeId node;                    // unknown: not resident, or hidden
  Reason reason = Reason::kNone;  // why `node` is unknown
  uint32_t folio_pages = 0;       // 0 where not visible
  PageStateSet states;
};

// What a look does about pages that the kernel hides behind a NUMA hint.
enum class HiddenPages {
  kLeave,  // says that they are hidden, and touches nothing
  kTouch,  // touches those of one process, as a move would, so that they show
};

// Takes located runs, ascending by address, or none where a while passed
// without any; false ends the look.
using LocationSink = std::function<bool(absl::Span<const LocatedRun>)>;

// One process, held by its identity from request to last result: everything
// here is about that process and no other which got its pid later. Refuses
// with kProcessNotFound when it has exited or was replaced by exec. Used by one
// thread at a time. All methods block.
class TargetProcess {
 public:
  virtual ~TargetProcess() = default;

  virtual ProcessId id() const = 0;

  // Says where the pages of `runs` are (ascending, disjoint), each page once.
  // Touches nothing.
  virtual absl::Status Locate(absl::Span<const PageRun> runs,
                              const LocationSink& sink) = 0;

  // The same for everything that is resident at `start` or above, but for what
  // the kernel itself mapped there.
  virtual absl::Status LocateResident(VirtualAddress start, HiddenPages hidden,
                                      const LocationSink& sink) = 0;

  // A mover for one migration of `pages`, which must outlive it. Refuses with
  // kNodeNotAllowed when a node of a placement is outside the cpuset of the
  // process or of the service, with kKernelRefuses when a right is missing and
  // with kUnsupported when the mode cannot be had.
  virtual absl::StatusOr<std::unique_ptr<BatchMover>> NewMover(
      const PageList& pages, const MoveParameters& parameters) = 0;
};

// Counters of page migration by their names in /proc/vmstat.
using KernelEvents = std::vector<std::pair<std::string, uint64_t>>;

// What simulated threads did to their memory so far.
struct SimulatedStores {
  uint64_t made = 0;
  // Found to be gone by a later load; never any if pages migrate rightly.
  uint64_t lost = 0;
};

// Thread-safe.
class Backend {
 public:
  virtual ~Backend() = default;

  // "kernel" or "model".
  virtual absl::string_view name() const = 0;

  // The weakest fidelity that a migration with these parameters may have.
  virtual Fidelity WeakestFidelity(const MoveParameters& parameters) const = 0;

  // Pause after the first pass, where the request does not say.
  virtual absl::Duration default_initial_backoff() const = 0;

  // Nodes that are online and have memory, ascending: the valid destinations.
  // Quick enough for any thread.
  virtual std::vector<NodeId> MemoryNodes() const = 0;

  // Reads the topology anew. Blocks.
  virtual absl::StatusOr<Topology> ReadTopology() const = 0;

  // What can be done here now. Blocks.
  virtual Capabilities ReadCapabilities() const = 0;

  // Takes hold of a process. With a start time, only of the process that has
  // it (else kProcessReplaced). Refuses with kProcessNotFound, or with
  // kTargetNotMovable for kernel threads, zombies, pid 1 and this process, or
  // with kKernelRefuses where access is denied. Blocks.
  virtual absl::StatusOr<std::unique_ptr<TargetProcess>> OpenProcess(
      int32_t pid, absl::optional<uint64_t> start_time_ticks) = 0;

  // The processes in a cgroup (v2) and in all below it, by ascending pid;
  // without kernel threads and zombies, which have no pages, and without pid 1
  // and this process, which are never moved. `path` begins with
  // a '/', the root of the hierarchy. Refuses with kCgroupNotFound. Blocks.
  virtual absl::StatusOr<std::vector<ProcessId>> ListCgroup(
      const std::string& path) = 0;

  // The whole machine's. None where they cannot be read. Blocks shortly.
  virtual KernelEvents ReadKernelEvents() const = 0;

  // Nothing where processes are real.
  virtual absl::optional<SimulatedStores> ReadSimulatedStores() const {
    return absl::nullopt;
  }
};

}  // namespace pageferry::core

#endif  // PAGEFERRY_SERVER_CORE_BACKEND_H_
