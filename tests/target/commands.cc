#include "commands.h"

#include <poll.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdint>
#include <cstring>
#include <iostream>
#include <sstream>

#include "pattern.h"
#include "self.h"

namespace pageferry::target {
namespace {

constexpr std::size_t kMostLostListed = 64;

volatile std::sig_atomic_t sigterm_came = 0;

std::string Quote(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += static_cast<unsigned char>(c) < ' ' ? ' ' : c;
  }
  return quoted + "\"";
}

std::string Error(const std::string& why) {
  return "{\"error\":" + Quote(why) + "}";
}

std::string Describe(const Region& region) {
  std::ostringstream out;
  out << "{\"kind\":" << Quote(region.spec.kind_name)
      << ",\"start\":" << reinterpret_cast<std::uintptr_t>(region.start)
      << ",\"pages\":" << region.pages << ",\"node\":" << region.spec.node
      << ",\"ok\":" << (region.ok ? "true" : "false")
      << ",\"pins\":" << region.pins.count();
  if (region.second != nullptr) {
    out << ",\"second_start\":"
        << reinterpret_cast<std::uintptr_t>(region.second);
  }
  out << ",\"note\":" << Quote(region.note) << "}";
  return out.str();
}

}  // namespace

void CatchSigterm() {
  struct sigaction action = {};
  action.sa_handler = [](int) { sigterm_came = 1; };
  sigaction(SIGTERM, &action, nullptr);
  // Blocked but while ReadLine waits, and so in all threads.
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigprocmask(SIG_BLOCK, &signals, nullptr);
}

bool ReadLine(std::string& line) {
  static auto& pending = *new std::string;
  sigset_t none;
  sigemptyset(&none);
  while (true) {
    if (const auto end = pending.find('\n'); end != std::string::npos) {
      line = pending.substr(0, end);
      pending.erase(0, end + 1);
      return true;
    }
    pollfd input = {STDIN_FILENO, POLLIN, 0};
    const int ready = ppoll(&input, 1, nullptr, &none);
    if (sigterm_came) return false;
    if (ready < 0 && errno == EINTR) continue;
    char bytes[512];
    const ssize_t count = read(STDIN_FILENO, bytes, sizeof(bytes));
    if (count <= 0) return false;
    pending.append(bytes, count);
  }
}

void Answer(const std::string& json) { std::cout << json << std::endl; }

std::string Introduce(const Regions& regions, const Peer& peer) {
  std::ostringstream out;
  out << "{\"pid\":" << getpid() << ",\"start_time_ticks\":" << StartTimeTicks()
      << ",\"regions\":[";
  for (std::size_t i = 0; i < regions.size(); ++i) {
    out << (i > 0 ? "," : "") << Describe(*regions[i]);
  }
  out << "],\"child_pids\":[";
  if (peer.pid() != 0) out << peer.pid();
  out << "]}";
  return out.str();
}

std::string Conversation::Check() {
  touchers_.Rest();
  changer_.Rest();
  const bool held = changer_.Check();
  const CheckResult result = CheckAll(regions_);
  touchers_.Resume();
  intact_ = held && result.lost.empty();
  std::ostringstream out;
  out << "{\"intact\":" << (intact_ ? "true" : "false")
      << ",\"checked_pages\":" << result.checked_pages
      << ",\"lost_pages\":" << result.lost.size() << ",\"lost\":[";
  for (std::size_t i = 0; i < result.lost.size() && i < kMostLostListed; ++i) {
    out << (i > 0 ? "," : "") << "{\"region\":" << result.lost[i].first
        << ",\"index\":" << result.lost[i].second << "}";
  }
  out << "]}";
  return out.str();
}

std::string Conversation::Changes() const {
  return "{\"changes\":" + std::to_string(changer_.changes()) + "}";
}

std::string Conversation::Locate() const {
  std::ostringstream out;
  out << "{\"regions\":[";
  for (std::size_t i = 0; i < regions_.size(); ++i) {
    out << (i > 0 ? "," : "")
        << "{\"kind\":" << Quote(regions_[i]->spec.kind_name) << ",\"nodes\":{";
    bool first = true;
    for (const auto& [node, count] : PagesByNode(*regions_[i])) {
      out << (first ? "" : ",") << "\"" << node << "\":" << count;
      first = false;
    }
    out << "}}";
  }
  out << "]}";
  return out.str();
}

std::string Conversation::Report() const {
  const Touchers::Report report = touchers_.GetReport();
  std::ostringstream out;
  out << "{\"loops\":" << report.loops
      << ",\"longest_gap_us\":" << report.longest_gap_us
      << ",\"errors\":" << report.errors << "}";
  return out.str();
}

std::string Conversation::Touch(std::size_t number, std::size_t index) {
  if (number >= regions_.size() || index >= regions_[number]->pages) {
    return Error("no such page");
  }
  Region& region = *regions_[number];
  if (region.guarded) return Error("this page may not be touched");
  if (region.use[index] == kHole && region.access == Access::kWrite) {
    MakePage(region, index, region.Page(index));
    region.use[index].store(kLive, std::memory_order_release);
  } else {
    ReadByte(region.Page(index));
  }
  return "{\"touched\":true}";
}

// The same process in a new, small image: what was mapped is gone.
std::string Conversation::Exec() {
  // exec ends the other threads; the mask would live on.
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  char self[] = "/proc/self/exe";
  char flag[] = "--asleep";
  char* words[] = {self, flag, nullptr};
  execv(self, words);
  return Error(std::string("execv: ") + std::strerror(errno));
}

std::string Conversation::Do(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  if (command == "check") return Check();
  if (command == "locate") return Locate();
  if (command == "report") return Report();
  if (command == "exec") return Exec();
  if (command == "reset") {
    touchers_.ResetGap();
    return "{\"reset\":true}";
  }
  if (command == "shake") {
    changer_.Shake();
    return Changes();
  }
  if (command == "rest") {
    changer_.Rest();
    return Changes();
  }
  if (command == "exit-child") {
    const int code = peer_.Exit();
    if (code == -1) return Error("there is no child");
    return "{\"child_exit\":" + std::to_string(code) + "}";
  }
  std::size_t number = 0;
  std::size_t index = 0;
  if (command == "unpin" && words >> number) {
    if (number >= regions_.size()) return Error("no such region");
    const std::size_t count = regions_[number]->pins.count();
    regions_[number]->pins.Release();
    return "{\"unpinned\":" + std::to_string(count) + "}";
  }
  if (command == "touch" && words >> number >> index) {
    return Touch(number, index);
  }
  return Error("not understood: " + line);
}

bool Conversation::Run() {
  std::string line;
  while (ReadLine(line) && line != "stop") Answer(Do(line));
  Answer(Check());
  return intact_;
}

}  // namespace pageferry::target
