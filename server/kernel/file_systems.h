// Which file systems the kernel can move dirty pages of without writing them
// out first.
//
// Those have a migrate operation of their own. For a dirty page of any other,
// migrate_pages() in MIGRATE_SYNC, which is what move_pages(2) runs, has the
// page written out and waits (mm/migrate.c, fallback_migrate_folio(), up to
// Linux 6.15; from 6.16 on nothing is written out). No file tells which have
// one, so they are listed: read in Linux 6.1 and 6.12, and seen in a machine
// with each: a dirty page of minix, vfat and exfat was written out by 6.1 and
// not by 6.12; of ext2, ext4 and tmpfs by neither.

#ifndef PAGEFERRY_SERVER_KERNEL_FILE_SYSTEMS_H_
#define PAGEFERRY_SERVER_KERNEL_FILE_SYSTEMS_H_

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"

namespace pageferry::kernel {

// "6.12.117-amd64" is {6, 12}; {0, 0} where the text is no release.
struct KernelVersion {
  int major = 0;
  int minor = 0;

  static KernelVersion Parse(absl::string_view release);

  friend auto operator<=>(const KernelVersion&, const KernelVersion&) = default;
};

// A device number as stat(2) has it.
struct DeviceNumber {
  uint32_t major = 0;
  uint32_t minor = 0;

  friend bool operator==(const DeviceNumber&, const DeviceNumber&) = default;
  template <typename H>
  friend H AbslHashValue(H state, const DeviceNumber& device) {
    return H::combine(std::move(state), device.major, device.minor);
  }
};

// The mounted file systems that a process sees. Immutable.
class FileSystems {
 public:
  // None.
  FileSystems() = default;

  // Parses /proc/PID/mountinfo (proc(5)). Lines that are not in the format are
  // left out.
  static FileSystems Parse(absl::string_view mountinfo);

  // The type of the file system on `device`, such as "ext4"; empty where none
  // is mounted that this process can see.
  absl::string_view TypeOf(DeviceNumber device) const;

 private:
  absl::flat_hash_map<DeviceNumber, std::string> types_;
};

// Whether dirty pages of a file system of this type move without being written
// out. Of a type that is not known: false.
bool MovesDirtyPages(absl::string_view type, KernelVersion version);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_FILE_SYSTEMS_H_
