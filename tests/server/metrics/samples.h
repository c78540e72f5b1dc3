// Reads single values out of what would be scraped.

#ifndef PAGEFERRY_TESTS_SERVER_METRICS_SAMPLES_H_
#define PAGEFERRY_TESTS_SERVER_METRICS_SAMPLES_H_

#include <prometheus/collectable.h>

#include <string>

namespace pageferry::metrics {

// The value of a series written "name{label=value,...}", labels in any order;
// the number of observations of a histogram. Fails the test, and returns -1,
// where there is no such series.
double SampleOf(const prometheus::Collectable& collectable,
                const std::string& series);

// Whether there is such a series.
bool HasSample(const prometheus::Collectable& collectable,
               const std::string& series);

// The sum over all series of the family.
double SumOf(const prometheus::Collectable& collectable,
             const std::string& name);

// What would be served, in Prometheus text format.
std::string TextOf(const prometheus::Collectable& collectable);

}  // namespace pageferry::metrics

#endif  // PAGEFERRY_TESTS_SERVER_METRICS_SAMPLES_H_
