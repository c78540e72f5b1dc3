// The memory of one modelled process.

#ifndef PAGEFERRY_SERVER_MODEL_ADDRESS_SPACE_H_
#define PAGEFERRY_SERVER_MODEL_ADDRESS_SPACE_H_

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "server/core/mutex.h"
#include "server/core/types.h"
#include "server/model/machine.h"
#include "server/model/page_table.h"
#include "server/model/vma.h"

namespace pageferry::model {

// What became of a load or a store.
enum class Access : uint8_t {
  kDone,
  kNotMapped,     // SIGSEGV, SEGV_MAPERR
  kNoPermission,  // SIGSEGV, SEGV_ACCERR
  kNoMemory,      // the page that had to be made found no frame
};

// VMAs and a page table. Thread-safe; must outlive the threads that use it.
class AddressSpace {
 public:
  // `machine` must outlive this. New pages come from the nodes of
  // `allocation_order`, in that order.
  AddressSpace(Machine* machine, std::vector<core::NodeId> allocation_order);
  ~AddressSpace();
  AddressSpace(const AddressSpace&) = delete;
  AddressSpace& operator=(const AddressSpace&) = delete;

  Machine& machine() { return machine_; }
  PageTable& page_table() { return page_table_; }

  // Adds a VMA, which must not overlap others, and links it to its reverse map.
  void Map(std::unique_ptr<Vma> vma);

  // Changes the permissions of the VMA that holds the page (mprotect).
  // Accesses that the new ones forbid are over on return.
  void Protect(uint64_t page_number, bool readable, bool writable);

  // Drops a page of the process, a huge one as a whole (MADV_DONTNEED). The
  // mapping stays.
  void Zap(uint64_t page_number);

  // Hides a page behind a NUMA hint: the next access faults once, quietly.
  void HideBehindNumaHint(uint64_t page_number);

  // Clears the hint, as an access does, and counts its fault. Unlike an access
  // it waits for nothing and maps nothing.
  void ClearNumaHint(uint64_t page_number);

  // Clears all soft-dirty bits (writing 4 to clear_refs).
  void ClearSoftDirty();

  // Copies all VMAs and entries to `child`, which must be empty; private pages
  // are then shared until one of the two stores to them. (dup_mmap)
  void ForkInto(AddressSpace& child);

  // Drops all VMAs and pages (exit_mmap). Threads that still run fault.
  void Exit();

  // A load and a store of one aligned word, as a thread of the process makes
  // them: through the page table, with page faults where it takes them. Blocks
  // while the page migrates.
  Access Load(core::VirtualAddress address, uint64_t* value);
  Access Store(core::VirtualAddress address, uint64_t value);

  // Calls `visit` with the VMA that holds the page, or null, which stays while
  // the call lasts. `visit` must not call back into this.
  void WithVma(uint64_t page_number, absl::FunctionRef<void(Vma*)> visit);

  // Calls `visit` with every VMA, ascending. As above.
  void ForEachVma(absl::FunctionRef<void(Vma&)> visit);

 private:
  template <typename Operation>
  Access AccessWord(core::VirtualAddress address, bool store,
                    Operation operation);
  Vma* FindVma(uint64_t page_number) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mmap_lock_);
  Access HandleFault(uint64_t page_number, bool store);
  // What a fault found. Not kResolved: what to wait for before the next try.
  enum class Fault { kResolved, kNoMemory, kWaitForPage, kWaitForEntry };
  Fault ResolveFault(Vma& vma, uint64_t page_number, bool store,
                     LockedEntry& entry, Page** busy_page);
  Fault MapMissing(Vma& vma, uint64_t page_number, bool store,
                   LockedEntry& entry, Page** busy_page);
  Fault MapFilePage(Vma& vma, uint64_t page_number, LockedEntry& entry,
                    Page** busy_page);
  Fault SwapIn(Vma& vma, uint64_t page_number, LockedEntry& entry);
  Fault WriteProtected(Vma& vma, uint64_t page_number, LockedEntry& entry,
                       Page** busy_page);
  Page* AllocateAnywhere(uint32_t pages);
  Page* NewAnonymousPage(Vma& vma, uint64_t page_number, uint32_t pages);
  void ZapEntry(LockedEntry& entry);
  void CopyEntry(const Vma& vma, uint64_t page_number, AddressSpace& child);
  void UnlinkVma(Vma& vma);

  Machine& machine_;
  const std::vector<core::NodeId> allocation_order_;
  PageTable page_table_;
  core::Mutex mmap_lock_;
  std::map<uint64_t, std::unique_ptr<Vma>> vmas_ ABSL_GUARDED_BY(mmap_lock_);
};

// Visits the number of each virtual page of a VMA that has an entry, huge pages
// once, by their first page. (walk_page_range)
void ForEachEntry(const Vma& vma, absl::FunctionRef<void(uint64_t)> visit);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_ADDRESS_SPACE_H_
