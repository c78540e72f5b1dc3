#include "tests/server/model/coverage.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "server/core/reasons.h"
#include "server/model/scenario.h"

namespace pageferry::model {
namespace {

using core::Outcome;
using core::Reason;
using core::RefusalReason;
using google::protobuf::FieldDescriptor;

std::string NameOf(Outcome outcome) {
  return absl::StrCat("outcome ", core::OutcomeName(outcome));
}
std::string NameOf(Reason reason) {
  return absl::StrCat("reason ", core::ReasonName(reason));
}
std::string NameOfRetry(Reason reason) {
  return absl::StrCat("tried again: ", core::ReasonName(reason));
}
std::string NameOf(PageFaultKind kind) {
  return absl::StrCat("held: ",
                      v1::PageFaultKind_Name(static_cast<int>(kind) +
                                             v1::PAGE_FAULT_KIND_LOCK));
}
std::string NameOf(RefusalReason reason) {
  return reason == RefusalReason::kTargetNotMovable ? "refused: not movable"
                                                    : "refused: not permitted";
}
std::string NameOf(const FieldDescriptor& field) {
  return absl::StrCat(field.containing_type()->name(), ".", field.name());
}

}  // namespace

Coverage::Coverage() {
  ExpectAllOf(*v1::Scenario::descriptor());
  for (int i = 0; i <= static_cast<int>(PageFaultKind::kReplaceSlot); ++i) {
    const auto kind = static_cast<PageFaultKind>(i);
    if (IsHold(kind)) counts_[NameOf(kind)] = 0;
  }
  for (Outcome outcome :
       {Outcome::kMoved, Outcome::kAlreadyPlaced, Outcome::kFailed,
        Outcome::kNotAttempted, Outcome::kWouldMove}) {
    counts_[NameOf(outcome)] = 0;
  }
  for (int i = 1; i < core::kReasonCount; ++i) {
    counts_[NameOf(static_cast<Reason>(i))] = 0;
  }
  for (Reason reason : {Reason::kLocked, Reason::kWriteback, Reason::kPinned,
                        Reason::kBusy, Reason::kNumaHint}) {
    counts_[NameOfRetry(reason)] = 0;
  }
  for (RefusalReason reason :
       {RefusalReason::kTargetNotMovable, RefusalReason::kKernelRefuses}) {
    counts_[NameOf(reason)] = 0;
  }
}

void Coverage::ExpectAllOf(const google::protobuf::Descriptor& message) {
  for (int i = 0; i < message.field_count(); ++i) {
    const FieldDescriptor& field = *message.field(i);
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_BOOL) {
      counts_[NameOf(field)] = 0;
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_ENUM) {
      // The first is what it is when nothing is said.
      for (int value = 1; value < field.enum_type()->value_count(); ++value) {
        counts_[field.enum_type()->value(value)->name()] = 0;
      }
    } else if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE &&
               field.message_type() != v1::Threads::descriptor()) {
      ExpectAllOf(*field.message_type());
    }
  }
}

void Coverage::CountScenario(const google::protobuf::Message& scenario) {
  std::vector<const FieldDescriptor*> fields;
  scenario.GetReflection()->ListFields(scenario, &fields);
  for (const FieldDescriptor* field : fields) CountField(scenario, *field);
}

void Coverage::CountField(const google::protobuf::Message& message,
                          const FieldDescriptor& field) {
  const google::protobuf::Reflection& read = *message.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      ++counts_[NameOf(field)];  // fields that are false are not listed
      return;
    case FieldDescriptor::CPPTYPE_ENUM:
      if (!field.is_repeated()) {
        ++counts_[read.GetEnum(message, &field)->name()];
        return;
      }
      for (int i = 0; i < read.FieldSize(message, &field); ++i) {
        ++counts_[read.GetRepeatedEnum(message, &field, i)->name()];
      }
      return;
    case FieldDescriptor::CPPTYPE_MESSAGE:
      if (!field.is_repeated()) {
        CountScenario(read.GetMessage(message, &field));
        return;
      }
      for (int i = 0; i < read.FieldSize(message, &field); ++i) {
        CountScenario(read.GetRepeatedMessage(message, &field, i));
      }
      return;
    default:
      return;
  }
}

void Coverage::CountHold(const PageHold& hold) {
  ++counts_[NameOf(hold.kind())];
}

void Coverage::CountRefusal(RefusalReason reason) { ++counts_[NameOf(reason)]; }

void Coverage::CountResults(const Observed& observed) {
  for (const auto& [number, page] : observed.pages) {
    ++counts_[NameOf(page.outcome)];
    if (page.reason != Reason::kNone) ++counts_[NameOf(page.reason)];
  }
  for (const core::PassFigures& pass : observed.passes) {
    for (int i = 1; i < core::kReasonCount; ++i) {
      if (pass.retry_reasons[i] > 0) {
        ++counts_[NameOfRetry(static_cast<Reason>(i))];
      }
    }
  }
}

std::vector<std::string> Coverage::Missing() const {
  std::vector<std::string> missing;
  for (const auto& [what, count] : counts_) {
    if (count == 0) missing.push_back(what);
  }
  return missing;
}

}  // namespace pageferry::model
