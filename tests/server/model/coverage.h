// Counts what drawn scenarios have in them and what became of their pages.

#ifndef PAGEFERRY_TESTS_SERVER_MODEL_COVERAGE_H_
#define PAGEFERRY_TESTS_SERVER_MODEL_COVERAGE_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "google/protobuf/message.h"
#include "server/core/refusal.h"
#include "server/model/page_hold.h"
#include "tests/server/model/model_test_support.h"

namespace pageferry::model {

// Begins with a count of zero for all that there is to reach: every value of
// every enumeration and every switch that the scenario's schema has (but for
// Threads), every hold, every outcome, every reason, every one for which the
// model tries again, and the refusals of processes that are kept from it.
class Coverage {
 public:
  Coverage();

  void CountScenario(const google::protobuf::Message& scenario);
  void CountHold(const PageHold& hold);
  void CountRefusal(core::RefusalReason reason);
  void CountResults(const Observed& observed);

  // What was never reached.
  std::vector<std::string> Missing() const;

  const std::map<std::string, uint64_t>& counts() const { return counts_; }

 private:
  void ExpectAllOf(const google::protobuf::Descriptor& message);
  void CountField(const google::protobuf::Message& message,
                  const google::protobuf::FieldDescriptor& field);

  std::map<std::string, uint64_t> counts_;
};

}  // namespace pageferry::model

#endif  // PAGEFERRY_TESTS_SERVER_MODEL_COVERAGE_H_
