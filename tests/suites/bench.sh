# Benchmarks, built for release: figures to read, none to pass. A benchmark
# that ends with an error is a failure.
set -euo pipefail
. tests/support/run_checks.sh
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=ON \
  tests/support/build.sh release model_bench pageferryd pageferry \
  pageferry_target
report=build/reports/model_bench.json
model_bench() {
  build/release/bin/model_bench --benchmark_out="$report" \
    --benchmark_out_format=json
}
check "model: pages a second beside memcpy of the same frames" model_bench
jq -r '.benchmarks[] | "\(.name)\t\(.items_per_second // 0 | floor) pages/s"' \
  "$report"

# stall KERNEL
stall() {
  tests/vm/run --kernel "$1" --sizes 2G,2G --timeout 900 \
    --env "PAGEFERRY_BIN=$PWD/build/release/bin" -- \
    /usr/bin/python3 -B tests/bench/stall.py |
    tee "build/reports/stall-$1.log"
}
for kernel in 6.1 6.12; do
  check "Linux $kernel: what a target feels, beside one raw move_pages(2)" \
    stall "$kernel"
  cat "build/reports/stall-$kernel.log"
done
end_checks
