// A response stream between the thread that produces messages and gRPC, which
// takes one at a time.
//
// The producer blocks while the reader is slow (gRPC itself would take only
// one message and say when it is gone), so a stream holds at most
// max_queue_bytes, or one longer message. A reader that takes nothing for
// stall_timeout is given up: the call is cancelled. The stream outlives the
// gRPC call, which may end at any time, so that a producer that is deep in a
// kernel call then has something to come back to.

#ifndef PAGEFERRY_SERVER_SERVICE_STREAM_H_
#define PAGEFERRY_SERVER_SERVICE_STREAM_H_

#include <google/protobuf/message_lite.h>
#include <grpcpp/alarm.h>
#include <grpcpp/support/status.h>

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/core/clock.h"
#include "server/core/limits.h"
#include "server/core/mutex.h"
#include "server/core/telemetry.h"

namespace pageferry::service {

struct StreamLimits {
  uint64_t max_queue_bytes = core::kMaxStreamQueueBytes;
  absl::Duration stall_timeout = core::kStreamStallTimeout;
};

// gRPC's side of a stream. Not to block, nor to call the stream back before
// returning.
class StreamTransport {
 public:
  virtual ~StreamTransport() = default;

  // Sends `message`, which stays valid until Stream::OnSent().
  virtual void Send(const google::protobuf::MessageLite& message) = 0;

  // Ends the call. Called exactly once, with no message on its way.
  virtual void End(const grpc::Status& status) = 0;

  // Cancels the call; Stream::OnCancelled() follows.
  virtual void Cancel() = 0;
};

// Thread-safe.
class Stream : public std::enable_shared_from_this<Stream> {
 public:
  // `telemetry` and `clock` must outlive this; `transport` until OnEnded().
  Stream(StreamTransport* transport, const StreamLimits& limits,
         core::Telemetry* telemetry, core::Clock* clock);

  // ---- the producer's side

  // Queues a message. Blocks while the queue is full. Returns false when the
  // call is over: nothing that is written can arrive any more.
  bool Write(std::unique_ptr<google::protobuf::MessageLite> message);

  // Ends the stream once what is queued is sent. The first call counts.
  void Finish(const grpc::Status& status);

  // The request message is not needed any more. Until then the call is kept
  // open even when it is cancelled, since gRPC deletes the request with it.
  void ReleaseRequest();

  // Calls `callback`, once, when the call is over before Finish(); at once if
  // it is already. `callback` must not block, nor use the stream.
  void OnOver(std::function<void()> callback);

  bool over() const;

  // ---- the transport's side

  // The message that was sent last is gone, or, if not `ok`, lost.
  void OnSent(bool ok);

  // The client cancelled, its deadline passed, its connection broke, or
  // StreamTransport::Cancel() was called.
  void OnCancelled();

  // The call has ended; the transport is about to go.
  void OnEnded();

 private:
  struct Queued {
    std::unique_ptr<google::protobuf::MessageLite> message;
    uint64_t bytes = 0;
  };

  bool HasRoom(uint64_t bytes) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartStallAlarm() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OnStallAlarm(uint64_t message_number);
  std::function<void()> BecomeOver() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const StreamLimits limits_;
  core::Telemetry* const telemetry_;
  core::Clock* const clock_;
  mutable core::Mutex mutex_;
  core::CondVar changed_;
  StreamTransport* transport_ ABSL_GUARDED_BY(mutex_);  // null: call ended
  std::deque<Queued> queue_ ABSL_GUARDED_BY(mutex_);    // front: being sent
  uint64_t queued_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  bool sending_ ABSL_GUARDED_BY(mutex_) = false;
  bool over_ ABSL_GUARDED_BY(mutex_) = false;
  bool request_in_use_ ABSL_GUARDED_BY(mutex_) = true;
  bool ended_ ABSL_GUARDED_BY(mutex_) = false;  // transport_->End() called
  absl::optional<grpc::Status> status_ ABSL_GUARDED_BY(mutex_);
  std::function<void()> on_over_ ABSL_GUARDED_BY(mutex_);
  uint64_t messages_sent_ ABSL_GUARDED_BY(mutex_) = 0;
  std::unique_ptr<grpc::Alarm> stall_alarm_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace pageferry::service

#endif  // PAGEFERRY_SERVER_SERVICE_STREAM_H_
