# Short runs of the fuzzers; PAGEFERRY_FUZZ_SECONDS lengthens them.
set -euo pipefail
. tests/support/run_checks.sh
seconds="${PAGEFERRY_FUZZ_SECONDS:-15}"
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=OFF \
  tests/support/build.sh fuzz fuzzers
for fuzzer in build/fuzz/bin/*_fuzz; do
  name="$(basename "$fuzzer")"
  corpus="build/fuzz/corpus/$name"
  mkdir -p "$corpus"
  check "$name" "$fuzzer" "-max_total_time=$seconds" -print_final_stats=1 \
    -timeout=10 "-artifact_prefix=build/fuzz/$name-" "$corpus"
done
end_checks
