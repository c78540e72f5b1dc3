// What must add up on the modelled machine, whatever was done to it.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_INVARIANTS_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_INVARIANTS_H_

#include <string>
#include <vector>

#include "server/model/world.h"

namespace pageferry::model {

// Everything that does not add up, one line each: frames with several owners
// or none, counts that do not match page tables and caches, migration entries
// left behind, and locks, isolations and references that belong to nobody.
//
// May be called at rest and between the passes of migrations. What then keeps
// pages busy is known by name and accounted for: a page that is isolated has
// one reference for it, and the schedule's holds lock, pin and isolate the
// pages that they hold. No thread may be at an access and no pass under way.
std::vector<std::string> BrokenInvariants(World& world);

// The same, and nothing is busy any more: no migration, no hold.
std::vector<std::string> BrokenInvariantsAtRest(World& world);

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_INVARIANTS_H_
