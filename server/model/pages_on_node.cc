#include "server/model/pages_on_node.h"

namespace pageferry::model {

Page* PagesOnNode::get_new_page(const Page& page) {
  // A transparent huge page is split before it moves, so it needs one frame.
  const bool hugetlb = page.Has(PageFlag::kHugetlb);
  Page* const new_page =
      machine_.memory.Allocate(node_, hugetlb ? core::kHugePagePages : 1);
  if (new_page != nullptr && hugetlb) new_page->Set(PageFlag::kHugetlb);
  return new_page;
}

void PagesOnNode::put_new_page(Page& new_page) {
  machine_.memory.Put(new_page);
}

}  // namespace pageferry::model
