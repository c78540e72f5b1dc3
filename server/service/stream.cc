#include "server/service/stream.h"

#include <chrono>
#include <utility>

namespace pageferry::service {

Stream::Stream(StreamTransport* transport, const StreamLimits& limits,
               core::Telemetry* telemetry, core::Clock* clock)
    : limits_(limits),
      telemetry_(telemetry),
      clock_(clock),
      transport_(transport) {}

bool Stream::HasRoom(uint64_t bytes) const {
  return queue_.empty() || queued_bytes_ + bytes <= limits_.max_queue_bytes;
}

bool Stream::Write(std::unique_ptr<google::protobuf::MessageLite> message) {
  const uint64_t bytes = message->ByteSizeLong();
  absl::Duration stalled;
  bool written = false;
  {
    core::MutexLock lock(&mutex_);
    if (!over_ && !HasRoom(bytes)) {
      const absl::Duration begin = clock_->Monotonic();
      while (!over_ && !HasRoom(bytes)) changed_.Wait(&mutex_);
      stalled = clock_->Monotonic() - begin;
    }
    if (!over_ && !status_.has_value()) {
      queue_.push_back({std::move(message), bytes});
      queued_bytes_ += bytes;
      Advance();
      written = true;
    }
  }
  if (stalled > absl::ZeroDuration()) telemetry_->OnStreamStall(stalled);
  return written;
}

void Stream::Finish(const grpc::Status& status) {
  core::MutexLock lock(&mutex_);
  if (!status_.has_value()) status_ = status;
  request_in_use_ = false;
  on_over_ = nullptr;
  Advance();
}

void Stream::ReleaseRequest() {
  core::MutexLock lock(&mutex_);
  request_in_use_ = false;
  Advance();
}

void Stream::OnOver(std::function<void()> callback) {
  {
    core::MutexLock lock(&mutex_);
    if (!over_) {
      on_over_ = std::move(callback);
      return;
    }
  }
  callback();
}

bool Stream::over() const {
  core::MutexLock lock(&mutex_);
  return over_;
}

void Stream::OnSent(bool ok) {
  std::function<void()> on_over;
  {
    core::MutexLock lock(&mutex_);
    sending_ = false;
    stall_alarm_.reset();
    queued_bytes_ -= queue_.front().bytes;
    queue_.pop_front();
    if (!ok) on_over = BecomeOver();
    Advance();
    changed_.NotifyAll();
  }
  if (on_over) on_over();
}

void Stream::OnCancelled() {
  std::function<void()> on_over;
  {
    core::MutexLock lock(&mutex_);
    on_over = BecomeOver();
    Advance();
  }
  if (on_over) on_over();
}

void Stream::OnEnded() {
  core::MutexLock lock(&mutex_);
  transport_ = nullptr;
}

// Drops what is queued, but for the message that gRPC still holds.
std::function<void()> Stream::BecomeOver() {
  if (over_) return nullptr;
  over_ = true;
  while (queue_.size() > (sending_ ? 1u : 0u)) {
    queued_bytes_ -= queue_.back().bytes;
    queue_.pop_back();
  }
  changed_.NotifyAll();
  return std::exchange(on_over_, nullptr);
}

// Does the next thing that can be done: sends a message, or ends the call.
void Stream::Advance() {
  if (sending_ || ended_ || transport_ == nullptr) return;
  if (!queue_.empty()) {
    sending_ = true;
    ++messages_sent_;
    StartStallAlarm();
    transport_->Send(*queue_.front().message);
  } else if (over_ && !request_in_use_) {
    ended_ = true;
    transport_->End(grpc::Status::CANCELLED);
  } else if (status_.has_value()) {
    ended_ = true;
    transport_->End(*status_);
  }
}

void Stream::StartStallAlarm() {
  stall_alarm_ = std::make_unique<grpc::Alarm>();
  stall_alarm_->Set(
      std::chrono::system_clock::now() +
          absl::ToChronoMicroseconds(limits_.stall_timeout),
      [self = shared_from_this(), number = messages_sent_](bool expired) {
        if (expired) self->OnStallAlarm(number);
      });
}

void Stream::OnStallAlarm(uint64_t message_number) {
  std::function<void()> on_over;
  {
    core::MutexLock lock(&mutex_);
    if (!sending_ || messages_sent_ != message_number) return;
    on_over = BecomeOver();
    if (transport_ != nullptr && !ended_) transport_->Cancel();
  }
  if (on_over) on_over();
}

}  // namespace pageferry::service
