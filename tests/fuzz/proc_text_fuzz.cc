// Text as procfs and sysfs might give it: parsers return or refuse, and what
// they return holds together.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "server/kernel/address_space.h"
#include "server/kernel/cpuset.h"
#include "server/kernel/node_memory.h"
#include "server/kernel/process_identity.h"
#include "server/kernel/topology_reader.h"

namespace kernel = pageferry::kernel;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view text(reinterpret_cast<const char*>(data + 1),
                               size - 1);
  switch (data[0] % 5) {
    case 0: {
      const auto space = kernel::AddressSpace::Parse(text);
      if (!space.ok()) break;
      for (const kernel::Mapping& mapping : space->mappings()) {
        const kernel::Mapping* found = space->Find(mapping.start);
        if (found != nullptr && mapping.start < found->start) abort();
      }
      break;
    }
    case 1: {
      const auto nodes = kernel::ParseNodeList(text);
      if (!nodes.ok()) break;
      // What was read can be written and read again.
      const std::string again = kernel::FormatNodeList(*nodes);
      if (!nodes->empty() && !kernel::ParseNodeList(again).ok()) abort();
      break;
    }
    case 2:
      kernel::ParseZoneInfo(text);
      break;
    case 3:
      (void)kernel::ParseProcessStat(text).ok();
      break;
    case 4:
      kernel::ParseNodeMeminfo(text);
      break;
  }
  return 0;
}
