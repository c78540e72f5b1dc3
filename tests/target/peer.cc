#include "peer.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>

#include "pattern.h"

namespace pageferry::target {
namespace {

// Child's life: map the shared pages, tell, wait for the order, check.
[[noreturn]] void Live(const Regions& regions, int ready, int order) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  sigset_t none;
  sigemptyset(&none);
  std::signal(SIGTERM, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Nobody shall wait for the end of an output that we hold open.
  for (int stream = 0; stream <= 1; ++stream) close(stream);
  for (const auto& region : regions) {
    if (!NeedsPeer(region->spec)) continue;
    for (std::size_t i = 0; i < region->pages; ++i) {
      if (region->use[i] == kLive) ReadByte(region->Page(i));
    }
  }
  char byte = 0;
  if (write(ready, &byte, 1) != 1) _exit(1);
  while (read(order, &byte, 1) < 0) {
  }
  for (const auto& region : regions) {
    // Shared anonymous pages count on in the parent.
    if (region->spec.kind != Kind::kSharedFork) continue;
    if (!HoldsUnchanged(*region)) _exit(1);
  }
  _exit(0);
}

}  // namespace

bool NeedsPeer(const RegionSpec& spec) {
  return spec.kind == Kind::kSharedFork ||
         (spec.kind == Kind::kShm && spec.mappers > 1);
}

void Peer::Start(const Regions& regions) {
  int ready[2];
  int order[2];
  if (pipe2(ready, O_CLOEXEC) != 0 || pipe2(order, O_CLOEXEC) != 0) {
    std::perror("pageferry_target: pipe2");
    std::exit(1);
  }
  pid_ = fork();
  if (pid_ < 0) {
    std::perror("pageferry_target: fork");
    std::exit(1);
  }
  if (pid_ == 0) {
    close(order[1]);
    Live(regions, ready[1], order[0]);
  }
  close(ready[1]);
  close(order[0]);
  order_ = order[1];
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) {
    std::fputs("pageferry_target: the child died\n", stderr);
    std::exit(1);
  }
  close(ready[0]);
}

int Peer::Exit() {
  if (pid_ == 0) return -1;
  close(order_);
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = 0;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

}  // namespace pageferry::target
