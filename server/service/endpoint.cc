#include "server/service/endpoint.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pageferry::service {
namespace {

constexpr size_t kMaxUnixPath = sizeof(sockaddr_un::sun_path) - 1;

absl::StatusOr<Endpoint> ParseUnix(absl::string_view text) {
  absl::string_view path = text;
  absl::ConsumePrefix(&path, "unix:");
  absl::ConsumePrefix(&path, "//");
  if (path.empty() || path.size() > kMaxUnixPath) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", text, "\": the path of a Unix socket has 1 to ",
        kMaxUnixPath, " bytes"));
  }
  return Endpoint{absl::StrCat("unix:", path), std::string(path)};
}

bool IsLoopback(const std::string& host) {
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) {
    return ntohl(v4.s_addr) >> 24 == IN_LOOPBACKNET;
  }
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 &&
         IN6_IS_ADDR_LOOPBACK(&v6);
}

absl::StatusOr<Endpoint> ParseTcp(absl::string_view text,
                                  bool insecure_loopback) {
  const size_t colon = text.rfind(':');
  uint32_t port = 0;
  if (colon == absl::string_view::npos ||
      !absl::SimpleAtoi(text.substr(colon + 1), &port) || port > 65535) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", text, "\" is neither unix:///PATH nor ADDRESS:PORT"));
  }
  absl::string_view host = text.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  if (!IsLoopback(std::string(host))) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", text,
        "\" is not on the loopback: TCP is served on 127.0.0.1 or [::1] only; "
        "use a Unix socket"));
  }
  if (!insecure_loopback) {
    return absl::InvalidArgumentError(absl::StrCat(
        "endpoint \"", text,
        "\" is open to every user of this machine; if that is meant, say "
        "--insecure-loopback"));
  }
  return Endpoint{std::string(text), ""};
}

absl::Status ErrnoStatus(absl::string_view what, const std::string& path) {
  return absl::FailedPreconditionError(
      absl::StrCat(what, " ", path, ": ", std::strerror(errno)));
}

absl::Status MakeDirectoryOf(const std::string& path) {
  const std::filesystem::path directory =
      std::filesystem::path(path).parent_path();
  std::error_code error;
  if (directory.empty() || std::filesystem::is_directory(directory, error)) {
    return absl::OkStatus();
  }
  std::filesystem::create_directories(directory.parent_path(), error);
  if (mkdir(directory.c_str(), 0750) != 0 && errno != EEXIST) {
    return ErrnoStatus("cannot make the directory", directory.string());
  }
  return absl::OkStatus();
}

// Whether somebody listens on the socket; errno is set when not.
bool SomebodyListens(const std::string& path) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, kMaxUnixPath);
  const int descriptor =
      socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (descriptor < 0) return false;
  const int result = connect(
      descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof(address));
  const int error = result == 0 ? 0 : errno;
  close(descriptor);
  errno = error;
  // EAGAIN: somebody listens, and does not keep up.
  return result == 0 || error == EAGAIN;
}

}  // namespace

absl::StatusOr<Endpoint> ParseEndpoint(absl::string_view text,
                                       bool insecure_loopback) {
  if (absl::StartsWith(text, "unix:")) return ParseUnix(text);
  return ParseTcp(text, insecure_loopback);
}

absl::Status PrepareUnixSocket(const std::string& path) {
  if (absl::Status status = MakeDirectoryOf(path); !status.ok()) return status;
  struct stat found;
  if (lstat(path.c_str(), &found) != 0) {
    return errno == ENOENT ? absl::OkStatus()
                           : ErrnoStatus("cannot look at", path);
  }
  if (!S_ISSOCK(found.st_mode)) {
    return absl::FailedPreconditionError(
        absl::StrCat(path,
                     " exists and is not a socket; remove it, or listen "
                     "elsewhere"));
  }
  if (SomebodyListens(path)) {
    return absl::FailedPreconditionError(
        absl::StrCat("another daemon listens on ", path,
                     "; end it first, or listen elsewhere"));
  }
  if (errno != ECONNREFUSED) {
    return ErrnoStatus("cannot tell whether a daemon listens on", path);
  }
  if (unlink(path.c_str()) != 0) {
    return ErrnoStatus("cannot remove the stale socket", path);
  }
  return absl::OkStatus();
}

}  // namespace pageferry::service
