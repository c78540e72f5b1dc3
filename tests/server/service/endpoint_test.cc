#include "server/service/endpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <fstream>

#include "tests/server/service/service_fixture.h"

namespace pageferry::service {
namespace {

using testing::HasSubstr;

// A Unix socket that somebody listens on until this is destroyed; its file
// stays.
class Listener {
 public:
  explicit Listener(const std::string& path)
      : descriptor_(socket(AF_UNIX, SOCK_STREAM, 0)) {
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    path.copy(address.sun_path, sizeof(address.sun_path) - 1);
    EXPECT_EQ(bind(descriptor_, reinterpret_cast<sockaddr*>(&address),
                   sizeof(address)),
              0);
    EXPECT_EQ(listen(descriptor_, 1), 0);
  }
  ~Listener() { close(descriptor_); }

 private:
  const int descriptor_;
};

TEST(ParseEndpointTest, TakesUnixSockets) {
  const auto absolute = ParseEndpoint("unix:///run/x.sock", false);
  ASSERT_TRUE(absolute.ok());
  EXPECT_EQ(absolute->address, "unix:/run/x.sock");
  EXPECT_EQ(absolute->unix_path, "/run/x.sock");
  const auto relative = ParseEndpoint("unix:x.sock", false);
  ASSERT_TRUE(relative.ok());
  EXPECT_EQ(relative->unix_path, "x.sock");
}

TEST(ParseEndpointTest, RefusesPathsThatNoSocketCanHave) {
  EXPECT_THAT(std::string(ParseEndpoint("unix://", false).status().message()),
              HasSubstr("1 to 107 bytes"));
  EXPECT_FALSE(ParseEndpoint("unix:/" + std::string(107, 'x'), false).ok());
}

TEST(ParseEndpointTest, TakesLoopbackTcpOnlyWhenAsked) {
  for (const char* text : {"127.0.0.1:50", "127.9.9.9:0", "[::1]:50051"}) {
    EXPECT_TRUE(ParseEndpoint(text, true).ok()) << text;
    EXPECT_THAT(std::string(ParseEndpoint(text, false).status().message()),
                HasSubstr("--insecure-loopback"));
  }
}

TEST(ParseEndpointTest, NeverTakesTcpOffTheLoopback) {
  for (const char* text :
       {"0.0.0.0:50", "[::]:50", "192.0.2.1:50", "localhost:50", ":50"}) {
    EXPECT_THAT(std::string(ParseEndpoint(text, true).status().message()),
                HasSubstr("is not on the loopback"))
        << text;
  }
}

TEST(ParseEndpointTest, RefusesWhatIsNoEndpoint) {
  for (const char* text : {"", "x", "127.0.0.1", "127.0.0.1:x",
                           "127.0.0.1:65536", "unix-abstract:x"}) {
    EXPECT_FALSE(ParseEndpoint(text, true).ok()) << text;
  }
}

TEST(PrepareUnixSocketTest, MakesTheFolderForOwnerAndGroup) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("a/b/socket");
  EXPECT_TRUE(PrepareUnixSocket(path).ok());
  struct stat found;
  ASSERT_EQ(stat(folder.Path("a/b").c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0750u);
  EXPECT_TRUE(PrepareUnixSocket(path).ok());
}

TEST(PrepareUnixSocketTest, RemovesASocketOnWhichNobodyListens) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("socket");
  { const Listener listener(path); }
  ASSERT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(PrepareUnixSocket(path).ok());
  EXPECT_NE(access(path.c_str(), F_OK), 0);
}

TEST(PrepareUnixSocketTest, LeavesASocketAloneOnWhichSomebodyListens) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("socket");
  const Listener listener(path);
  EXPECT_THAT(std::string(PrepareUnixSocket(path).message()),
              HasSubstr("another daemon listens on " + path));
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST(PrepareUnixSocketTest, LeavesOtherFilesAlone) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("file");
  std::ofstream(path) << "precious";
  EXPECT_THAT(std::string(PrepareUnixSocket(path).message()),
              HasSubstr("is not a socket"));
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
}

TEST(PrepareUnixSocketTest, SaysWhyThereIsNoFolder) {
  const TemporaryFolder folder;
  std::ofstream(folder.Path("file")) << "x";
  EXPECT_FALSE(PrepareUnixSocket(folder.Path("file/socket")).ok());
}

}  // namespace
}  // namespace pageferry::service
