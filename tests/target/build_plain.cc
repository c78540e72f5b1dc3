// Kinds made of small pages with one call or two after the mapping.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "build.h"
#include "pattern.h"

namespace pageferry::target {
namespace {

constexpr int kPrivate = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
constexpr int kReadWrite = PROT_READ | PROT_WRITE;

bool MapWritten(Region& region, int flags, int file = -1) {
  if (!Map(region, {.protection = kReadWrite, .flags = flags, .file = file})) {
    return false;
  }
  Fill(region);
  return true;
}

void Protect(Region& region, int protection) {
  if (mprotect(region.start, region.bytes(), protection) != 0) {
    FailErrno(region, "mprotect");
  }
}

// The file behind a region. One that was not named is gone with the last
// descriptor and mapping.
int OpenFile(Region& region, const std::string& folder) {
  std::string path = region.spec.path;
  int file = -1;
  if (path.empty()) {
    path = folder + "/pageferry_target_XXXXXX";
    file = mkostemp(path.data(), O_CLOEXEC);
    if (file >= 0) unlink(path.c_str());
  } else {
    file = open(path.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  }
  if (file < 0) FailErrno(region, "open " + path);
  return file;
}

void BuildTmpfs(Region& region) {
  const int file = OpenFile(region, "/dev/shm");
  if (file < 0) return;
  if (ftruncate(file, static_cast<off_t>(region.bytes())) == 0) {
    if (MapWritten(region, MAP_SHARED, file)) region.access = Access::kWrite;
  } else {
    FailErrno(region, "ftruncate");
  }
  close(file);
}

// Writes the pattern into the file itself and brings it to the medium, so
// that its pages are in the page cache and clean.
bool WriteClean(Region& region, int file) {
  std::vector<char> page(kPageBytes);
  for (std::size_t i = 0; i < region.pages; ++i) {
    MakePage(region, i, page.data());
    if (pwrite(file, page.data(), kPageBytes,
               static_cast<off_t>(i * kPageBytes)) !=
        static_cast<ssize_t>(kPageBytes)) {
      FailErrno(region, "write");
      return false;
    }
  }
  if (fsync(file) != 0) FailErrno(region, "fsync");
  return true;
}

void BuildFile(Region& region) {
  const int file = OpenFile(region, "/var/tmp");
  if (file < 0) return;
  const int protection = region.spec.dirty ? kReadWrite : PROT_READ;
  if (WriteClean(region, file) &&
      Map(region,
          {.protection = protection, .flags = MAP_SHARED, .file = file})) {
    if (region.spec.dirty) {
      Fill(region);
      region.access = Access::kWrite;
    } else {
      ReadAll(region);
      region.access = Access::kRead;
    }
  }
  close(file);
}

void BuildMlocked(Region& region) {
  if (!MapWritten(region, kPrivate)) return;
  region.access = Access::kWrite;
  // On fault: holes stay holes.
  if (mlock2(region.start, region.bytes(), MLOCK_ONFAULT) != 0) {
    FailErrno(region, "mlock2");
  }
}

// Touching threads keep away; huge pages may come.
void BuildChanging(Region& region) {
  int flags = kPrivate;
  if (region.spec.shared) {
    flags = MAP_SHARED;
    region.file = memfd_create("pageferry_target", MFD_CLOEXEC);
    if (region.file < 0) return FailErrno(region, "memfd_create");
    if (ftruncate(region.file, static_cast<off_t>(region.bytes())) != 0) {
      return FailErrno(region, "ftruncate");
    }
  }
  if (Map(region, {.protection = kReadWrite,
                   .flags = flags,
                   .file = region.file,
                   .alignment_bytes = kHugePageBytes})) {
    Fill(region);
  }
}

void BuildZero(Region& region) {
  if (!Map(region, {.protection = PROT_READ, .flags = kPrivate})) return;
  region.content = Content::kZero;
  region.access = Access::kRead;
  ReadAll(region);
}

}  // namespace

void BuildPlain(Region& region) {
  switch (region.spec.kind) {
    case Kind::kUntouched:
      // Only pages that a "touch" brought to life are used.
      if (Map(region, {.protection = kReadWrite, .flags = kPrivate})) {
        region.access = Access::kWrite;
      }
      return;
    case Kind::kZero:
      return BuildZero(region);
    case Kind::kMlocked:
      return BuildMlocked(region);
    case Kind::kTmpfs:
      return BuildTmpfs(region);
    case Kind::kFile:
      return BuildFile(region);
    case Kind::kReadOnly:
      if (!MapWritten(region, kPrivate)) return;
      region.access = Access::kRead;
      return Protect(region, PROT_READ);
    case Kind::kProtNone:
      if (!MapWritten(region, kPrivate)) return;
      region.guarded = true;
      return Protect(region, PROT_NONE);
    case Kind::kSharedFork:
      // A store would give this process a page of its own.
      if (MapWritten(region, kPrivate)) region.access = Access::kRead;
      return;
    case Kind::kChanging:
      return BuildChanging(region);
    case Kind::kShm:
      if (MapWritten(region, MAP_SHARED | MAP_ANONYMOUS)) {
        region.access = Access::kWrite;
      }
      return;
    default:  // anon, holes, pinned
      if (MapWritten(region, kPrivate)) region.access = Access::kWrite;
      return;
  }
}

}  // namespace pageferry::target
