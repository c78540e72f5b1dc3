// A child process that maps the shared regions too and otherwise sleeps.

#ifndef TESTS_TARGET_PEER_H_
#define TESTS_TARGET_PEER_H_

#include <sys/types.h>

#include "check.h"

namespace pageferry::target {

// Not thread-safe. The child ends with this process in any case.
class Peer {
 public:
  Peer() = default;
  ~Peer() { Exit(); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Forks; returns once the child has mapped every page that is shared. Call
  // it while no other regions and no threads are there: the child would share
  // those too.
  void Start(const Regions& regions);

  // Has the child check what it shares privately with us, and end. 0: it
  // held; 1: it did not; 128 + N: a signal ended it; -1: there is no child.
  int Exit();

  // 0 when there is none.
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_ = 0;
  int order_ = -1;
};

// True for regions that a peer must share.
bool NeedsPeer(const RegionSpec& spec);

}  // namespace pageferry::target

#endif  // TESTS_TARGET_PEER_H_
