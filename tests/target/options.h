// The command line. README.md in this folder describes it.

#ifndef TESTS_TARGET_OPTIONS_H_
#define TESTS_TARGET_OPTIONS_H_

#include <stdexcept>
#include <string>
#include <vector>

#include "region.h"

namespace pageferry::target {

struct Options {
  std::vector<RegionSpec> regions;
  int threads = 1;      // touching threads; --idle: none
  int cpu = -1;         // where they run; -1: anywhere
  int uid = -1;         // user to become first; -1: stay
  int pause_us = 0;     // rest of a thread after each round over its pages
  int seed = 0;         // of the changes to changing regions
  bool asleep = false;  // the image `exec` changes into
};

// The command line makes no sense; what() says why.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Throws UsageError.
Options ParseOptions(const std::vector<std::string>& words);

// KIND:PAGES[:NODE][,KEY=VALUE...]. Throws UsageError.
RegionSpec ParseRegion(const std::string& text);

extern const char kUsage[];

}  // namespace pageferry::target

#endif  // TESTS_TARGET_OPTIONS_H_
