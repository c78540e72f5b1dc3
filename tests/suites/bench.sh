# Benchmarks, built for release: figures to read, none to pass. A benchmark
# that ends with an error is a failure.
set -euo pipefail
. tests/support/run_checks.sh
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=ON \
  tests/support/build.sh release model_bench metrics_bench pageferryd pageferry \
  pageferry_target
# bench NAME
bench() {
  "build/release/bin/$1" --benchmark_out="build/reports/$1.json" \
    --benchmark_out_format=json
}
check "model: pages a second beside memcpy of the same frames" bench model_bench
check "metrics: what counting costs, and a scrape" bench metrics_bench
for name in model_bench metrics_bench; do
  jq -r '.benchmarks[] | [.name, "\(.real_time) \(.time_unit)",
    (.items_per_second // empty | "\(floor) pages/s"),
    (.metrics // empty | "\(.) metrics"), (.bytes // empty | "\(.) bytes")]
    | join("  ")' "build/reports/$name.json"
done

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
