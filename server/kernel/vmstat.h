// The kernel's own counters of page migration.

#ifndef PAGEFERRY_SERVER_KERNEL_VMSTAT_H_
#define PAGEFERRY_SERVER_KERNEL_VMSTAT_H_

#include "absl/strings/string_view.h"
#include "server/core/backend.h"

namespace pageferry::kernel {

// The lines of /proc/vmstat that tell of page migration, demotion, promotion
// and NUMA balancing, under their names there. Lines that cannot be read are
// left out.
core::KernelEvents ParseVmstat(absl::string_view vmstat);

}  // namespace pageferry::kernel

#endif  // PAGEFERRY_SERVER_KERNEL_VMSTAT_H_
