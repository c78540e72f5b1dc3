// Values of the contract in words for people.

#ifndef PAGEFERRY_CLIENT_CLI_WORDS_H_
#define PAGEFERRY_CLIENT_CLI_WORDS_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/generated_enum_reflection.h"
#include "google/protobuf/repeated_field.h"
#include "pageferry/v1/error.pb.h"
#include "pageferry/v1/migration.pb.h"

namespace pageferry::client::cli {

// The name without its enumeration's prefix ("SHARED"); the number where a
// newer daemon sent a value that this program does not know.
std::string EnumWord(const google::protobuf::EnumDescriptor& type, int value);

template <typename Enum>
std::string Word(Enum value) {
  return EnumWord(*google::protobuf::GetEnumDescriptor<Enum>(), value);
}

// What the reason means and, where something helps, what; empty when unknown.
absl::string_view Meaning(v1::PageReason reason);

// What the person should do now; empty when unknown.
absl::string_view Advice(v1::ErrorReason reason);

// "0x7f0000001000"
std::string AddressText(uint64_t address);
// "15.6 MiB"
std::string BytesText(uint64_t bytes);
absl::Duration ToDuration(const google::protobuf::Duration& duration);
google::protobuf::Duration ToProto(absl::Duration duration);
// "12.3ms", rounded to what a person reads.
std::string DurationText(absl::Duration duration);

// "process 17", "cgroup /a/b", "pod 6f...", "container namespace/pod/name"
std::string TargetText(const v1::Target& target);

// "0,2,3"; "-" for none.
std::string NodesText(const google::protobuf::RepeatedField<int32_t>& nodes);

}  // namespace pageferry::client::cli

#endif  // PAGEFERRY_CLIENT_CLI_WORDS_H_
