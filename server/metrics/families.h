// Builds metric families whose values are read at each scrape.

#ifndef PAGEFERRY_SERVER_METRICS_FAMILIES_H_
#define PAGEFERRY_SERVER_METRICS_FAMILIES_H_

#include <prometheus/client_metric.h>
#include <prometheus/metric_family.h>

#include <string>
#include <utility>
#include <vector>

namespace pageferry::metrics {

using Label = prometheus::ClientMetric::Label;

prometheus::MetricFamily GaugeFamily(std::string name, std::string help);
prometheus::MetricFamily CounterFamily(std::string name, std::string help);

// Adds a sample with the value of the family's type.
void AddSample(prometheus::MetricFamily* family, std::vector<Label> labels,
               double value);

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_SERVER_METRICS_FAMILIES_H_
