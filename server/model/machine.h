// The parts of the modelled machine that the migration core works on.

#ifndef PAGEFERRY_SERVER_MODEL_MACHINE_H_
#define PAGEFERRY_SERVER_MODEL_MACHINE_H_

#include <array>
#include <cstdint>

#include "server/core/clock.h"
#include "server/core/types.h"
#include "server/model/memory.h"
#include "server/model/storage.h"
#include "server/model/swap_space.h"
#include "server/model/trace.h"
#include "server/model/wait_table.h"

namespace pageferry::model {

// How the machine differs from the default, which is the design of Linux 4.0
// without its mistakes.
struct MachineTraits {
  // As Linux 4.0 did: a huge page that cannot be split counts as moved, and
  // pages that still said "again" after the last pass count as nothing.
  bool linux_4_0_quirks = false;
  // As Linux 6.1 to 6.4: pages without access and pages behind a NUMA hint are
  // neither located nor moved.
  bool hides_numa_hints = false;
  // Whether the migrations come out of memory reclaim (PF_MEMALLOC), which may
  // not wait for page locks.
  bool callers_reclaim_memory = false;
  // Whether hugetlb pages can be migrated (an option of the architecture).
  bool hugetlb_migration = true;
};

// Made once, then shared by all that runs on it. Its members are thread-safe.
struct Machine : Bystanders {
  // `clock_used` must outlive this.
  Machine(core::Clock* clock_used, const MachineTraits& with_traits)
      : traits(with_traits), clock(clock_used), storage(&waits) {}

  // Lets time do its work: storage, and whatever else was added.
  void OnWait() override {
    storage.Poll(clock->Monotonic());
    if (faults != nullptr) faults->OnWait();
  }

  const MachineTraits traits;
  core::Clock* const clock;
  Memory memory;
  WaitTable waits;
  SwapSpace swap;
  Storage storage;
  Vmstat vmstat;
  TraceRing trace;
  // The scenario's faults. Set before anything runs; null for none.
  Bystanders* faults = nullptr;
  // What reads of untouched memory see. Never written.
  alignas(8) std::array<uint8_t, core::kPageBytes> zero_frame{};
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_MACHINE_H_
