// Where most migrations take their new pages from.

#ifndef PAGEFERRY_SERVER_MODEL_PAGES_ON_NODE_H_
#define PAGEFERRY_SERVER_MODEL_PAGES_ON_NODE_H_

#include "server/core/types.h"
#include "server/model/machine.h"
#include "server/model/migrate.h"

namespace pageferry::model {

// New pages on one node and no other.
class PagesOnNode final : public NewPages {
 public:
  // `machine` must outlive this.
  PagesOnNode(Machine& machine, core::NodeId node)
      : machine_(machine), node_(node) {}

  Page* get_new_page(const Page& page) override;
  void put_new_page(Page& new_page) override;

 private:
  Machine& machine_;
  const core::NodeId node_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_SERVER_MODEL_PAGES_ON_NODE_H_
