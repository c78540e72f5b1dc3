// The conversation on stdin and stdout: a line in, a line of JSON out.

#ifndef TESTS_TARGET_COMMANDS_H_
#define TESTS_TARGET_COMMANDS_H_

#include <string>

#include "changer.h"
#include "check.h"
#include "peer.h"
#include "toucher.h"

namespace pageferry::target {

// Makes SIGTERM end the conversation. Call it before there are threads.
void CatchSigterm();

// The next line of stdin without its end; false at the end of the input or
// after SIGTERM. Blocks.
bool ReadLine(std::string& line);

// Writes one line and flushes it.
void Answer(const std::string& json);

// The first line: who we are, and where the regions lie.
std::string Introduce(const Regions& regions, const Peer& peer);

class Conversation {
 public:
  // The arguments must outlive this.
  Conversation(Regions& regions, Touchers& touchers, Changer& changer,
               Peer& peer)
      : regions_(regions),
        touchers_(touchers),
        changer_(changer),
        peer_(peer) {}

  // Until "stop", end of input or SIGTERM. True when every page held.
  bool Run();

 private:
  std::string Do(const std::string& line);
  std::string Check();
  std::string Changes() const;
  std::string Locate() const;
  std::string Report() const;
  std::string Touch(std::size_t number, std::size_t index);
  std::string Exec();

  Regions& regions_;
  Touchers& touchers_;
  Changer& changer_;
  Peer& peer_;
  bool intact_ = true;
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_COMMANDS_H_
