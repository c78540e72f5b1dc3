// The migrate operations of file systems, and what is done for those that have
// none.

#include <utility>

#include "server/model/buffers.h"
#include "server/model/migrate.h"
#include "server/model/rmap.h"

namespace pageferry::model {
namespace {

using core::Mode;
using core::Reason;

void UnlockBuffers(Machine& machine, Buffers& buffers, size_t count) {
  for (size_t buffer = 0; buffer < count; ++buffer) {
    buffers.Unlock(buffer, machine.waits);
  }
}

// Locks all buffers of a page, in order. kSuccess: all are ours
// (buffer_migrate_lock_buffers).
MoveResult LockBuffers(const MoveContext& context, Buffers& buffers) {
  for (size_t buffer = 0; buffer < Buffers::kCount; ++buffer) {
    while (!buffers.TryLock(buffer)) {
      // ASYNC must not wait for the block layer, SYNC_LIGHT may: reads end.
      if (context.mode == Mode::kAsync) {
        UnlockBuffers(context.machine, buffers, buffer);
        return {Verdict::kAgain, Reason::kLocked};
      }
      if (!context.machine.waits.Wait(
              buffers.key(buffer), [&] { return !buffers.locked(buffer); },
              context.control, context.machine)) {
        UnlockBuffers(context.machine, buffers, buffer);
        return {Verdict::kStopped, Reason::kNone};
      }
    }
  }
  return {};
}

// Gives up a page's private data, if its file system does
// (try_to_release_page).
bool ReleasePrivateData(Machine& machine, const Mapping& mapping, Page& page) {
  if (!mapping.operations().releases_private) return false;
  if (page.buffers != nullptr && page.buffers->AnyLocked()) return false;
  page.buffers.reset();
  page.Clear(PageFlag::kPrivate);
  machine.memory.Put(page);
  return true;
}

}  // namespace

MoveResult buffer_migrate_page(const MoveContext& context, Mapping* mapping,
                               Page& new_page, Page& page) {
  if (page.buffers == nullptr) {
    return migrate_page(mapping, new_page, page);
  }
  // 4.0 locks the buffers after the slot has changed hands, and can then only
  // wait. Since 4.20 the references are looked at first and the buffers locked
  // next, which gives the same answers and leaves a way back.
  const int32_t expected = 2 + (page.Has(PageFlag::kPrivate) ? 1 : 0);
  if (page.references() != expected) return {Verdict::kAgain, Reason::kPinned};
  const std::shared_ptr<Buffers> buffers = page.buffers;
  MoveResult result = LockBuffers(context, *buffers);
  if (result.verdict != Verdict::kSuccess) return result;
  result = migrate_page_move_mapping(mapping, new_page, page);
  if (result.verdict == Verdict::kSuccess) {
    // The buffers, and the reference that they hold, change pages.
    buffers->set_page(&new_page);
    new_page.buffers = std::move(page.buffers);
    new_page.Get();
    new_page.Set(PageFlag::kPrivate);
    page.Clear(PageFlag::kPrivate);
    context.machine.memory.Put(page);
    migrate_page_copy(new_page, page);
  }
  UnlockBuffers(context.machine, *buffers, Buffers::kCount);
  return result;
}

MoveResult network_migrate_page(Mapping* mapping, Page& new_page, Page& page) {
  // The request knows the page by its address.
  if (page.Has(PageFlag::kPrivate)) return {Verdict::kBusy, Reason::kBusy};
  return migrate_page(mapping, new_page, page);
}

MoveResult fallback_migrate_page(const MoveContext& context, Mapping* mapping,
                                 Page& new_page, Page& page) {
  if (page.Has(PageFlag::kDirty)) {
    // Writing is I/O, for which only SYNC waits. Linux 6.16 and later have no
    // writeout: EBUSY in all modes.
    if (context.mode != Mode::kSync) return {Verdict::kBusy, Reason::kDirty};
    return writeout(context, mapping, page);
  }
  // Private data may refer to the page by address; nobody told us how to move
  // it.
  if (page.Has(PageFlag::kPrivate) &&
      !ReleasePrivateData(context.machine, *mapping, page)) {
    return {Verdict::kAgain, Reason::kBusy};
  }
  return migrate_page(mapping, new_page, page);
}

MoveResult writeout(const MoveContext& context, Mapping* mapping, Page& page) {
  Machine& machine = context.machine;
  if (mapping->operations().writepage == WritepageOperation::kNone) {
    return {Verdict::kInvalid, Reason::kUnsupported};
  }
  // clear_page_dirty_for_io: false when another writer was first.
  if (page.Has(PageFlag::kWriteClaimed)) {
    return {Verdict::kAgain, Reason::kWriteback};
  }
  page.Clear(PageFlag::kDirty);
  // Processes may go on while it is written; the move is off in any case.
  remove_migration_ptes(machine, page, page);
  if (mapping->operations().writepage == WritepageOperation::kFails) {
    page.Set(PageFlag::kDirty);
    return {Verdict::kIoError, Reason::kIoError};
  }
  machine.storage.StartWrite(
      page, machine.clock->Monotonic() + mapping->operations().write_latency);
  machine.storage.Poll(machine.clock->Monotonic());
  return {Verdict::kAgain, Reason::kWriteback};
}

}  // namespace pageferry::model
