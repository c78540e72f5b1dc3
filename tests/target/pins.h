// Extra references to pages, as a device or a zero-copy send would hold them.
//
// vmsplice(2) puts a page into a pipe without a copy; while nobody reads the
// pipe the kernel keeps a reference, and the page cannot be migrated.

#ifndef TESTS_TARGET_PINS_H_
#define TESTS_TARGET_PINS_H_

#include <cstddef>
#include <string>
#include <vector>

namespace pageferry::target {

// Movable, not thread-safe. Gives the references back when destroyed.
class Pins {
 public:
  Pins() = default;
  Pins(Pins&& other) = default;
  Pins& operator=(Pins&& other) = default;
  ~Pins() { Release(); }

  // Takes a reference to the page at `page`. Returns an empty string, or why
  // it could not (open files and pipe pages are limited for each user).
  std::string Add(char* page);

  void Release();

  std::size_t count() const { return count_; }

 private:
  struct Pipe {
    int read_end = -1;
    int write_end = -1;
    std::size_t free_pages = 0;
  };

  std::string AddPipe();

  std::vector<Pipe> pipes_;
  std::size_t count_ = 0;
};

}  // namespace pageferry::target

#endif  // TESTS_TARGET_PINS_H_
