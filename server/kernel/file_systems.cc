#include "server/kernel/file_systems.h"

#include <algorithm>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"

namespace pageferry::kernel {
namespace {

// With a migrate operation in Linux 6.1 and later. An overlay's own pages are
// those of the file system below, and what can be written to there has to be
// one of these: it needs extended attributes and whiteouts.
constexpr absl::string_view kSinceLinux61[] = {
    "btrfs", "ext2", "ext3",   "ext4",  "f2fs",  "gfs2",    "hugetlbfs",
    "nfs",   "nfs4", "nilfs2", "ocfs2", "tmpfs", "overlay", "xfs",
};

// Later; seen on 6.12.
constexpr absl::string_view kSinceLinux612[] = {"exfat", "minix", "msdos",
                                                "vfat"};

constexpr KernelVersion kLinux612 = {6, 12};
// From here on nothing is written out.
constexpr KernelVersion kLinux616 = {6, 16};

template <size_t size>
bool Contains(const absl::string_view (&types)[size], absl::string_view type) {
  return std::find(std::begin(types), std::end(types), type) != std::end(types);
}

}  // namespace

KernelVersion KernelVersion::Parse(absl::string_view release) {
  const std::vector<absl::string_view> numbers =
      absl::StrSplit(release, absl::ByAnyChar(".-+"));
  KernelVersion version;
  if (numbers.size() < 2 || !absl::SimpleAtoi(numbers[0], &version.major) ||
      !absl::SimpleAtoi(numbers[1], &version.minor)) {
    return KernelVersion();
  }
  return version;
}

FileSystems FileSystems::Parse(absl::string_view mountinfo) {
  FileSystems systems;
  for (absl::string_view line : absl::StrSplit(mountinfo, '\n')) {
    // "36 35 98:0 /root /point options [optional...] - type source options"
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    const auto dash = std::find(words.begin(), words.end(), "-");
    if (words.size() < 3 || words.end() - dash < 2) continue;
    const std::vector<absl::string_view> numbers =
        absl::StrSplit(words[2], ':');
    DeviceNumber device;
    if (numbers.size() == 2 && absl::SimpleAtoi(numbers[0], &device.major) &&
        absl::SimpleAtoi(numbers[1], &device.minor)) {
      systems.types_.emplace(device, *(dash + 1));
    }
  }
  return systems;
}

absl::string_view FileSystems::TypeOf(DeviceNumber device) const {
  const auto type = types_.find(device);
  return type == types_.end() ? absl::string_view() : type->second;
}

bool MovesDirtyPages(absl::string_view type, KernelVersion version) {
  return version >= kLinux616 || Contains(kSinceLinux61, type) ||
         (version >= kLinux612 && Contains(kSinceLinux612, type));
}

}  // namespace pageferry::kernel
