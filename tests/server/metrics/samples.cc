#include "tests/server/metrics/samples.h"

#include <gtest/gtest.h>
#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"

namespace pageferry::metrics {
namespace {

using Labels = std::map<std::string, std::string>;

double ValueOf(const prometheus::MetricFamily& family,
               const prometheus::ClientMetric& metric) {
  switch (family.type) {
    case prometheus::MetricType::Counter:
      return metric.counter.value;
    case prometheus::MetricType::Gauge:
      return metric.gauge.value;
    case prometheus::MetricType::Histogram:
      return static_cast<double>(metric.histogram.sample_count);
    default:
      return 0;
  }
}

absl::optional<double> Find(const prometheus::Collectable& collectable,
                            const std::string& series) {
  const std::pair<std::string, std::string> parts =
      absl::StrSplit(series, absl::MaxSplits('{', 1));
  Labels wanted;
  for (const absl::string_view label : absl::StrSplit(
           absl::StripSuffix(parts.second, "}"), ',', absl::SkipEmpty())) {
    wanted.insert(absl::StrSplit(label, absl::MaxSplits('=', 1)));
  }
  for (const prometheus::MetricFamily& family : collectable.Collect()) {
    if (family.name != parts.first) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      Labels labels;
      for (const auto& label : metric.label) labels[label.name] = label.value;
      if (labels == wanted) return ValueOf(family, metric);
    }
  }
  return absl::nullopt;
}

}  // namespace

double SampleOf(const prometheus::Collectable& collectable,
                const std::string& series) {
  const absl::optional<double> value = Find(collectable, series);
  EXPECT_TRUE(value.has_value()) << series;
  return value.value_or(-1);
}

bool HasSample(const prometheus::Collectable& collectable,
               const std::string& series) {
  return Find(collectable, series).has_value();
}

double SumOf(const prometheus::Collectable& collectable,
             const std::string& name) {
  double sum = 0;
  for (const prometheus::MetricFamily& family : collectable.Collect()) {
    if (family.name != name) continue;
    for (const prometheus::ClientMetric& metric : family.metric) {
      sum += ValueOf(family, metric);
    }
  }
  return sum;
}

std::string TextOf(const prometheus::Collectable& collectable) {
  return prometheus::TextSerializer().Serialize(collectable.Collect());
}

}  // namespace pageferry::metrics
