// Runs the command in this process.

#ifndef PAGEFERRY_TESTS_CLIENT_COMMAND_RUNNER_H_
#define PAGEFERRY_TESTS_CLIENT_COMMAND_RUNNER_H_

#include <functional>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "client/cli/console.h"
#include "client/cli/interrupter.h"
#include "client/cli/run.h"
#include "google/protobuf/util/json_util.h"
#include "gtest/gtest.h"

namespace pageferry::client::cli {

struct CommandResult {
  int exit_code = -1;
  std::string out;
  std::string err;
};

// Keeps what is written, and tells when a line has been flushed.
class WatchedBuffer : public std::stringbuf {
 public:
  explicit WatchedBuffer(const std::function<void()>& on_flush)
      : on_flush_(on_flush) {}

 protected:
  int sync() override {
    if (on_flush_ != nullptr) on_flush_();
    return 0;
  }

 private:
  const std::function<void()>& on_flush_;
};

class CommandRunner {
 public:
  explicit CommandRunner(std::string endpoint)
      : endpoint_(std::move(endpoint)) {}

  CommandResult Run(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"--endpoint", endpoint_});
    std::istringstream in(input);
    WatchedBuffer results(on_flush);
    std::ostream out(&results);
    std::ostringstream err;
    Console console{in, out, err, terminal};
    const int exit_code = cli::Run(arguments, console, interrupter);
    return {exit_code, results.str(), err.str()};
  }

  std::string input;      // standard input
  bool terminal = false;  // whether a person looks
  // Runs when results are flushed, which with --json is after each event.
  std::function<void()> on_flush;
  Interrupter interrupter;

 private:
  const std::string endpoint_;
};

// The lines of `text` as messages; every line has to be one.
template <typename Message>
std::vector<Message> ParseJsonLines(const std::string& text) {
  std::vector<Message> messages;
  for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    const std::string json(line);
    EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(
                    json, &messages.emplace_back())
                    .ok())
        << json;
  }
  return messages;
}

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_TESTS_CLIENT_COMMAND_RUNNER_H_
