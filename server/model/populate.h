// Putting pages where a scenario wants them, before anything runs.

#ifndef PAGEFERRY_SERVER_MODEL_POPULATE_H_
#define PAGEFERRY_SERVER_MODEL_POPULATE_H_

#include <cstdint>
#include <memory>

#include "server/core/types.h"
#include "server/model/address_space.h"
#include "server/model/mapping.h"
#include "server/model/rmap.h"

namespace pageferry::model {

// All of these take a free frame of exactly `node` and return the new page, or
// null when the node is full. The places that they fill must be empty, the VMA
// that of the place. `content` is a number from which the page's words are
// derived: ContentWord().

// A private page of 1 or, aligned and in a VMA for it, 512 base pages. The
// huge one is a hugetlb page in a kHugetlb VMA, else a transparent huge page.
Page* PopulateAnonymous(Vma& vma, uint64_t page_number, uint32_t pages,
                        core::NodeId node, uint64_t content);

// A page of a file's cache, mapped nowhere yet.
Page* PopulateFile(Machine& machine, const std::shared_ptr<Mapping>& file,
                   uint64_t index, core::NodeId node, uint64_t content);

// A page that KSM has merged; MapKsm adds the places that share it.
Page* PopulateKsm(Machine& machine, core::NodeId node, uint64_t content);
void MapKsm(Vma& vma, uint64_t page_number, Page& page);

// A page of a balloon.
Page* PopulateBalloon(Machine& machine, const std::shared_ptr<Balloon>& balloon,
                      uint64_t index, core::NodeId node);

// Maps a file's page that is in the cache. False when it is not.
bool MapCached(Vma& vma, uint64_t page_number);

// Maps the page of zeroes.
void MapZeroPage(Vma& vma, uint64_t page_number);

// A page that was written to swap and is not in memory.
void PopulateSwapped(Vma& vma, uint64_t page_number, uint64_t content);

// Word number `word` of a page with that content. Never zero.
uint64_t ContentWord(uint64_t content, uint64_t word);

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_POPULATE_H_
