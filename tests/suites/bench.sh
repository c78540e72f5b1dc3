# Benchmarks, built for release: figures to read, none to pass. A benchmark
# that ends with an error is a failure.
set -euo pipefail
. tests/support/run_checks.sh
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=ON \
  tests/support/build.sh release model_bench
report=build/reports/model_bench.json
model_bench() {
  build/release/bin/model_bench --benchmark_out="$report" \
    --benchmark_out_format=json
}
check "model: pages a second beside memcpy of the same frames" model_bench
jq -r '.benchmarks[] | "\(.name)\t\(.items_per_second // 0 | floor) pages/s"' \
  "$report"
end_checks
