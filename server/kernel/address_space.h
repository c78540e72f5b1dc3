// The mappings of a process, as /proc/PID/maps and /proc/PID/smaps list them
// (proc(5)).

#ifndef PAGEFERRY_SERVER_KERNEL_ADDRESS_SPACE_H_
#define PAGEFERRY_SERVER_KERNEL_ADDRESS_SPACE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/core/types.h"
#include "server/kernel/file_systems.h"

namespace pageferry::kernel {

// One mapping (VMA).
struct Mapping {
  core::VirtualAddress start;
  core::VirtualAddress end;
  bool readable = false;
  bool writable = false;
  bool executable = false;
  bool shared = false;
  // Of the file system that the file is on; 0:0 for anonymous memory.
  DeviceNumber file_system;
  // The file, or a name such as "[heap]"; empty for anonymous memory.
  std::string name;
  // From smaps only. Size of the pages that the kernel maps here, bytes: larger
  // than a base page for hugetlb.
  uint64_t kernel_page_bytes = core::kPageBytes;
  // From smaps only. Bytes in 2 MiB pages, anonymous or of files.
  uint64_t huge_page_bytes = 0;
  // From smaps only. Device memory: VM_IO or VM_PFNMAP.
  bool device = false;

  uint64_t pages() const { return end.page_number() - start.page_number(); }
  // PROT_NONE: its pages cannot be told from those behind a NUMA hint.
  bool inaccessible() const { return !readable && !writable && !executable; }
  bool hugetlb() const { return kernel_page_bytes > core::kPageBytes; }
  // Pages that the kernel itself put there, and never moves.
  bool special() const;
};

// Immutable.
class AddressSpace {
 public:
  AddressSpace() = default;

  // Parses the text of maps or of smaps. InvalidArgument names the line that
  // is not in the format.
  static absl::StatusOr<AddressSpace> Parse(absl::string_view text);

  // The mapping that holds `address`, or null.
  const Mapping* Find(core::VirtualAddress address) const;

  // Ascending.
  const std::vector<Mapping>& mappings() const { return mappings_; }

 private:
  std::vector<Mapping> mappings_;
};

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_ADDRESS_SPACE_H_
