// The program `pageferry`, as a shell sees it: exit codes, pipes and Ctrl-C.

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/client/fake_daemon.h"

namespace pageferry::client {
namespace {

using ::testing::HasSubstr;

// A running `pageferry`, its standard output, and a standard input that gives
// nothing. Killed with the object if it still runs.
class Program {
 public:
  explicit Program(std::vector<std::string> arguments) {
    int out[2];
    int in[2];
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(in, O_CLOEXEC) != 0) return;
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, in[0], STDIN_FILENO);
    posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    arguments.insert(arguments.begin(), PAGEFERRY_PROGRAM);
    std::vector<char*> pointers;
    for (std::string& argument : arguments) pointers.push_back(argument.data());
    pointers.push_back(nullptr);
    if (posix_spawn(&pid_, PAGEFERRY_PROGRAM, &actions, nullptr,
                    pointers.data(), environ) != 0) {
      pid_ = -1;
    }
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(in[0]);
    out_ = out[0];
    in_ = in[1];
  }

  ~Program() {
    if (pid_ > 0) {
      kill(pid_, SIGKILL);
      waitpid(pid_, nullptr, 0);
    }
    close(out_);
    close(in_);
  }

  // The next line of output; empty at the end.
  std::string ReadLine() {
    std::string line;
    char letter = 0;
    while (read(out_, &letter, 1) == 1 && letter != '\n') line += letter;
    return line;
  }

  std::string ReadAll() {
    std::string text;
    char letter = 0;
    while (read(out_, &letter, 1) == 1) text += letter;
    return text;
  }

  void Interrupt() { kill(pid_, SIGINT); }

  // The status of waitpid(2).
  int Wait() {
    int status = -1;
    waitpid(pid_, &status, 0);
    pid_ = -1;
    return status;
  }

  int WaitForExitCode() {
    const int status = Wait();
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

 private:
  pid_t pid_ = -1;
  int out_ = -1;
  int in_ = -1;
};

class ProgramTest : public testing::Test {
 protected:
  std::vector<std::string> MigrateArguments() const {
    return {"--endpoint", daemon_.endpoint(),
            "--json",     "migrate",
            "--pid",      "1",
            "--to",       "1",
            "--mode",     "async",
            "--range",    "0:2"};
  }

  // A migration that says that it runs, and goes on until it is cancelled.
  void MigrateUntilCancelled() {
    daemon_.on_migrate = [this](const auto&, grpc::ServerContext* context,
                                const auto& send) {
      send(StartedEvent("m-1", 2));
      while (!cancelled_ && !context->IsCancelled()) {
        usleep(1000);
      }
      if (!cancelled_) return grpc::Status::CANCELLED;
      v1::MigrationSummary summary;
      summary.set_requested_pages(2);
      summary.set_not_attempted_pages(2);
      summary.set_stop_reason(v1::STOP_REASON_CANCELLED);
      send(SummaryEvent(summary));
      return grpc::Status::OK;
    };
  }

  std::atomic<bool> cancelled_ = false;
  FakeDaemon daemon_;
};

TEST_F(ProgramTest, ExitCodeIsThatOfTheCommand) {
  daemon_.on_migrate = MoveAll;
  Program program(MigrateArguments());
  EXPECT_THAT(program.ReadAll(), HasSubstr("\"moved_pages\":\"2\""));
  EXPECT_EQ(program.WaitForExitCode(), 0);
  EXPECT_EQ(Program({"nonsense"}).WaitForExitCode(), 4);
}

TEST_F(ProgramTest, InterruptCancelsTheMigrationAndTheSummaryArrives) {
  MigrateUntilCancelled();
  daemon_.on_cancel = [this](const auto&, auto*) {
    cancelled_ = true;
    return grpc::Status::OK;
  };
  Program program(MigrateArguments());
  EXPECT_THAT(program.ReadLine(), HasSubstr("\"started\""));
  program.Interrupt();
  EXPECT_THAT(program.ReadLine(), HasSubstr("STOP_REASON_CANCELLED"));
  EXPECT_EQ(program.WaitForExitCode(), 2);
  ASSERT_EQ(daemon_.cancel_requests().size(), 1);
  EXPECT_EQ(daemon_.cancel_requests()[0].migration_id(), "m-1");
}

TEST_F(ProgramTest, SecondInterruptDoesNotWait) {
  MigrateUntilCancelled();
  Event asked;
  daemon_.on_cancel = [&](const auto&, auto*) {
    asked.Notify();
    return grpc::Status::OK;
  };
  Program program(MigrateArguments());
  EXPECT_THAT(program.ReadLine(), HasSubstr("\"started\""));
  program.Interrupt();
  ASSERT_TRUE(asked.Wait());
  program.Interrupt();
  EXPECT_EQ(program.WaitForExitCode(), 3);
}

TEST_F(ProgramTest, InterruptEndsAProgramThatStillReadsItsPages) {
  Program program({"--endpoint", daemon_.endpoint(), "migrate", "--pid", "1",
                   "--to", "1", "--mode", "async", "--pages-file", "-"});
  program.Interrupt();
  const int status = program.Wait();
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(WTERMSIG(status), SIGINT);
}

}  // namespace
}  // namespace pageferry::client
