#include "pins.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "region.h"

namespace pageferry::target {
namespace {

// The most an unprivileged process may ask for by default
// (/proc/sys/fs/pipe-max-size).
constexpr int kPipeBytes = 1 << 20;

}  // namespace

std::string Pins::AddPipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return std::string("pipe2: ") + std::strerror(errno);
  }
  int bytes = fcntl(ends[1], F_SETPIPE_SZ, kPipeBytes);
  if (bytes < 0) bytes = fcntl(ends[1], F_GETPIPE_SZ);
  pipes_.push_back(
      {ends[0], ends[1], static_cast<std::size_t>(bytes) / kPageBytes});
  return "";
}

std::string Pins::Add(char* page) {
  if (pipes_.empty() || pipes_.back().free_pages == 0) {
    if (std::string error = AddPipe(); !error.empty()) return error;
  }
  Pipe& pipe = pipes_.back();
  iovec piece = {page, kPageBytes};
  if (vmsplice(pipe.write_end, &piece, 1, SPLICE_F_NONBLOCK) !=
      static_cast<ssize_t>(kPageBytes)) {
    return std::string("vmsplice: ") + std::strerror(errno);
  }
  --pipe.free_pages;
  ++count_;
  return "";
}

void Pins::Release() {
  for (const Pipe& pipe : pipes_) {
    close(pipe.read_end);
    close(pipe.write_end);
  }
  pipes_.clear();
  count_ = 0;
}

}  // namespace pageferry::target
