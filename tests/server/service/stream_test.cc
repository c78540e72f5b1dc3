#include "server/service/stream.h"

#include <gtest/gtest.h>

#include <string>
#include <thread>
#include <vector>

#include "pageferry/v1/migration.pb.h"
#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using Message = v1::CancelMigrationRequest;

// Notes what the stream asks of gRPC.
class FakeTransport final : public StreamTransport {
 public:
  void Send(const google::protobuf::MessageLite& message) override {
    core::MutexLock lock(&mutex_);
    sent_.push_back(static_cast<const Message&>(message).migration_id());
    changed_.NotifyAll();
  }
  void End(const grpc::Status& status) override {
    core::MutexLock lock(&mutex_);
    ends_.push_back(status);
  }
  void Cancel() override {
    core::MutexLock lock(&mutex_);
    ++cancels_;
    changed_.NotifyAll();
  }

  std::vector<std::string> sent() const {
    core::MutexLock lock(&mutex_);
    return sent_;
  }
  std::vector<grpc::Status> ends() const {
    core::MutexLock lock(&mutex_);
    return ends_;
  }
  void AwaitCancel() {
    core::MutexLock lock(&mutex_);
    while (cancels_ == 0) changed_.Wait(&mutex_);
  }

 private:
  mutable core::Mutex mutex_;
  core::CondVar changed_;
  std::vector<std::string> sent_ ABSL_GUARDED_BY(mutex_);
  std::vector<grpc::Status> ends_ ABSL_GUARDED_BY(mutex_);
  int cancels_ ABSL_GUARDED_BY(mutex_) = 0;
};

// A clock that moves on with each look at it, and tells of looks.
class NoticingClock final : public core::Clock {
 public:
  absl::Duration Monotonic() const override {
    core::MutexLock lock(&mutex_);
    ++looks_;
    changed_.NotifyAll();
    return absl::Seconds(looks_);
  }
  absl::Time WallTime() const override { return absl::UnixEpoch(); }
  void WaitFor(core::Mutex* mutex, core::CondVar* condition,
               absl::Duration timeout) override
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) {
    condition->WaitFor(mutex, timeout);
  }

  void AwaitLooks(int count) {
    core::MutexLock lock(&mutex_);
    while (looks_ < count) changed_.Wait(&mutex_);
  }

 private:
  mutable core::Mutex mutex_;
  mutable core::CondVar changed_;
  mutable int looks_ ABSL_GUARDED_BY(mutex_) = 0;
};

std::unique_ptr<Message> Text(const std::string& text) {
  auto message = std::make_unique<Message>();
  message->set_migration_id(text);
  return message;
}

class StreamTest : public testing::Test {
 protected:
  // A queue of 100 bytes; a message has 2 more than its text.
  std::shared_ptr<Stream> NewStream(
      absl::Duration stall_timeout = absl::Minutes(10)) {
    return std::make_shared<Stream>(
        &transport_, StreamLimits{100, stall_timeout}, &telemetry_, &clock_);
  }

  FakeTransport transport_;
  RecordingTelemetry telemetry_;
  NoticingClock clock_;
};

TEST_F(StreamTest, SendsOneMessageAtATimeInOrder) {
  const auto stream = NewStream();
  EXPECT_TRUE(stream->Write(Text("a")));
  EXPECT_TRUE(stream->Write(Text("b")));
  EXPECT_EQ(transport_.sent(), std::vector<std::string>{"a"});
  stream->OnSent(true);
  EXPECT_EQ(transport_.sent(), (std::vector<std::string>{"a", "b"}));
}

TEST_F(StreamTest, EndsOnceWhenAllIsSent) {
  const auto stream = NewStream();
  stream->Write(Text("a"));
  stream->Finish(grpc::Status(grpc::StatusCode::NOT_FOUND, "first"));
  stream->Finish(grpc::Status::OK);
  EXPECT_TRUE(transport_.ends().empty());
  stream->OnSent(true);
  ASSERT_EQ(transport_.ends().size(), 1u);
  EXPECT_EQ(transport_.ends()[0].error_message(), "first");
  stream->OnEnded();
  EXPECT_FALSE(stream->Write(Text("late")));
  EXPECT_EQ(transport_.sent().size(), 1u);
}

TEST_F(StreamTest, TheProducerWaitsForASlowReaderAndTheWaitIsCounted) {
  const auto stream = NewStream();
  EXPECT_TRUE(stream->Write(Text(std::string(60, 'a'))));
  std::thread producer(
      [&] { EXPECT_TRUE(stream->Write(Text(std::string(60, 'b')))); });
  clock_.AwaitLooks(1);  // it is about to wait
  EXPECT_EQ(transport_.sent().size(), 1u);
  stream->OnSent(true);
  producer.join();
  EXPECT_EQ(transport_.sent().size(), 2u);
  telemetry_.AwaitStall();
}

TEST_F(StreamTest, AProducerThatWaitsLearnsOfTheEnd) {
  const auto stream = NewStream();
  stream->Write(Text(std::string(98, 'a')));
  std::thread producer([&] { EXPECT_FALSE(stream->Write(Text("b"))); });
  clock_.AwaitLooks(1);
  stream->OnCancelled();
  producer.join();
}

TEST_F(StreamTest, AMessageLongerThanTheQueueWaitsAlone) {
  const auto stream = NewStream();
  EXPECT_TRUE(stream->Write(Text(std::string(1000, 'a'))));
  stream->OnSent(true);
  EXPECT_TRUE(stream->Write(Text(std::string(1000, 'b'))));
  EXPECT_EQ(transport_.sent().size(), 2u);
}

TEST_F(StreamTest, ACancelledStreamTakesNothingAndEnds) {
  const auto stream = NewStream();
  stream->ReleaseRequest();
  int over = 0;
  stream->OnOver([&over] { ++over; });
  stream->Write(Text("a"));
  stream->Write(Text("b"));
  stream->OnCancelled();
  stream->OnCancelled();
  EXPECT_EQ(over, 1);
  EXPECT_TRUE(stream->over());
  EXPECT_FALSE(stream->Write(Text("c")));
  EXPECT_TRUE(transport_.ends().empty());  // "a" is on its way
  stream->OnSent(false);
  ASSERT_EQ(transport_.ends().size(), 1u);
  EXPECT_EQ(transport_.ends()[0].error_code(), grpc::StatusCode::CANCELLED);
  EXPECT_EQ(transport_.sent(), std::vector<std::string>{"a"});
}

TEST_F(StreamTest, ACancelledStreamStaysOpenWhileItsRequestIsRead) {
  const auto stream = NewStream();
  stream->OnCancelled();
  EXPECT_TRUE(transport_.ends().empty());
  stream->ReleaseRequest();
  EXPECT_EQ(transport_.ends().size(), 1u);
}

TEST_F(StreamTest, AMessageThatIsLostEndsTheStream) {
  const auto stream = NewStream();
  bool over = false;
  stream->OnOver([&over] { over = true; });
  stream->Write(Text("a"));
  stream->OnSent(false);
  EXPECT_TRUE(over);
  EXPECT_FALSE(stream->Write(Text("b")));
}

TEST_F(StreamTest, WhoAsksLateIsToldAtOnce) {
  const auto stream = NewStream();
  stream->OnCancelled();
  bool over = false;
  stream->OnOver([&over] { over = true; });
  EXPECT_TRUE(over);
}

TEST_F(StreamTest, ACancelAfterTheEndIsNobodysConcern) {
  const auto stream = NewStream();
  bool over = false;
  stream->OnOver([&over] { over = true; });
  stream->Finish(grpc::Status::OK);
  stream->OnCancelled();
  EXPECT_FALSE(over);
  ASSERT_EQ(transport_.ends().size(), 1u);
  EXPECT_TRUE(transport_.ends()[0].ok());
}

TEST_F(StreamTest, GivesUpAReaderThatStalls) {
  const auto stream = NewStream(absl::Milliseconds(1));
  stream->ReleaseRequest();
  Gate over;
  over.Close();
  stream->OnOver([&over] { over.Open(); });
  stream->Write(Text(std::string(98, 'a')));
  EXPECT_FALSE(stream->Write(Text("b")));
  transport_.AwaitCancel();
  over.Pass();
  EXPECT_TRUE(stream->over());
  stream->OnSent(false);
  ASSERT_EQ(transport_.ends().size(), 1u);
}

TEST_F(StreamTest, AReaderThatTakesMessagesIsNotGivenUp) {
  const auto stream = NewStream(absl::Hours(1));
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(stream->Write(Text("x")));
    stream->OnSent(true);
  }
  EXPECT_FALSE(stream->over());
}

TEST_F(StreamTest, OutlivesItsCall) {
  auto stream = NewStream();
  stream->Finish(grpc::Status::OK);
  stream->OnEnded();
  EXPECT_FALSE(stream->Write(Text("a")));
  stream->Finish(grpc::Status::OK);
  EXPECT_EQ(transport_.ends().size(), 1u);
}

}  // namespace
}  // namespace pageferry::service
