// A streamed answer that is read by blocking.

#ifndef PAGEFERRY_STREAM_H_
#define PAGEFERRY_STREAM_H_

#include <memory>
#include <utility>

#include "absl/status/status.h"
#include "absl/types/optional.h"

namespace pageferry::client {

// Where a stream's messages come from. Destroying a source that has not
// finished cancels its call and waits for the end.
template <typename Message>
class StreamSource {
 public:
  virtual ~StreamSource() = default;

  // Blocks. False at the end.
  virtual bool Read(Message* message) = 0;
  // Blocks. Called once.
  virtual absl::Status Finish() = 0;
  // Does not block; from any thread.
  virtual void Cancel() = 0;
};

// Not thread-safe but for Cancel(). Destroying a stream that has not been
// finished cancels its call: a migration then stops within one kernel call.
template <typename Message>
class Stream {
 public:
  explicit Stream(std::unique_ptr<StreamSource<Message>> source)
      : source_(std::move(source)) {}

  // The next message; blocks until it is there. Empty at the end, be it good
  // or bad: Finish() tells which.
  absl::optional<Message> Next() {
    Message message;
    if (finished_ || !source_->Read(&message)) return absl::nullopt;
    return message;
  }

  // How the call ended. Blocks until it has; messages that were not read are
  // dropped. Later calls return the same.
  absl::Status Finish() {
    if (!finished_) {
      status_ = source_->Finish();
      finished_ = true;
    }
    return status_;
  }

  // Gives the call up: Next() soon returns empty and Finish() CANCELLED. May be
  // called from any thread while the stream lives, and does not block. No
  // summary is promised; CancelMigration ends a migration with one.
  void Cancel() { source_->Cancel(); }

 private:
  std::unique_ptr<StreamSource<Message>> source_;
  bool finished_ = false;
  absl::Status status_;
};

}  // namespace pageferry::client

#endif  // PAGEFERRY_STREAM_H_
