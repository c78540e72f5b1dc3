// A program with memory in every state that matters to a migration. It uses
// its pages all the time and proves at the end that it lost no store.

#include <grp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <vector>

#include "build.h"
#include "changer.h"
#include "commands.h"
#include "options.h"
#include "peer.h"
#include "toucher.h"

namespace pageferry::target {
namespace {

constexpr int kExitUsage = 64;

[[noreturn]] void Die(const char* call) {
  std::perror((std::string("pageferry_target: ") + call).c_str());
  std::exit(1);
}

// A process of user `uid` as that user would have started it.
void BecomeUser(int uid) {
  const rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
  setrlimit(RLIMIT_MEMLOCK, &unlimited);  // for mlocked regions
  const auto group = static_cast<gid_t>(uid);
  if (setgroups(0, nullptr) != 0) Die("setgroups");
  if (setresgid(group, group, group) != 0) Die("setresgid");
  if (setresuid(uid, uid, uid) != 0) Die("setresuid");
  // A change of user takes it away; a program that was started by this user
  // has it, and the kernel asks for it before it lets others look inside.
  prctl(PR_SET_DUMPABLE, 1);
}

void StayOnCpu(int cpu) {
  cpu_set_t cpus;
  CPU_ZERO(&cpus);
  CPU_SET(cpu, &cpus);
  if (sched_setaffinity(0, sizeof(cpus), &cpus) != 0) Die("--cpu");
}

// Regions for the peer come first, then the peer, then the others: a fork
// shares whatever is there.
void Build(const Options& options, Regions& regions, Peer& peer) {
  for (std::size_t i = 0; i < options.regions.size(); ++i) {
    regions.push_back(std::make_unique<Region>());
    regions.back()->number = static_cast<std::uint32_t>(i);
  }
  bool peer_wanted = false;
  for (const bool for_peer : {true, false}) {
    for (std::size_t i = 0; i < regions.size(); ++i) {
      if (NeedsPeer(options.regions[i]) != for_peer) continue;
      BuildRegion(options.regions[i], *regions[i]);
      peer_wanted = peer_wanted || for_peer;
    }
    if (for_peer && peer_wanted) peer.Start(regions);
  }
}

// The image after `exec`: there, and nothing else.
int Sleep() {
  Answer("{\"pid\":" + std::to_string(getpid()) + ",\"asleep\":true}");
  std::string line;
  while (ReadLine(line) && line != "stop") {
    Answer("{\"error\":\"asleep\"}");
  }
  return 0;
}

int Main(const std::vector<std::string>& words) {
  const Options options = ParseOptions(words);
  CatchSigterm();
  std::signal(SIGPIPE, SIG_IGN);
  if (options.asleep) return Sleep();
  if (options.uid >= 0) BecomeUser(options.uid);
  if (options.cpu >= 0) StayOnCpu(options.cpu);
  Regions regions;
  Peer peer;
  Build(options, regions, peer);
  Touchers touchers(regions, options);
  Changer changer(regions, options.seed);
  Answer(Introduce(regions, peer));
  return Conversation(regions, touchers, changer, peer).Run() ? 0 : 1;
}

}  // namespace
}  // namespace pageferry::target

int main(int argc, char** argv) {
  try {
    return pageferry::target::Main({argv + 1, argv + argc});
  } catch (const pageferry::target::UsageError& error) {
    std::cerr << "pageferry_target: " << error.what() << "\n"
              << pageferry::target::kUsage;
    return pageferry::target::kExitUsage;
  }
}
