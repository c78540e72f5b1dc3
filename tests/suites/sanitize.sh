# The unit tests under sanitizers, thread-safety analysis, and the style.
#
# ThreadSanitizer sees only what is built with it, so it gets what runs no
# gRPC: core, kernel with its fake, model. Scenarios drawn from seeds are fewer
# here than in the unit tests, and ThreadSanitizer does without: they have no
# threads.
set -euo pipefail
. tests/support/run_checks.sh

export PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=ON
export ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1
export TSAN_OPTIONS=halt_on_error=1
export PAGEFERRY_PROPERTY_SEEDS=1000

# All programs of tests/server/model but one.
mapfile -t model_tests < <(
  sed -nE 's/^pageferry_test\((\w+).*/\1/p' \
    tests/server/model/CMakeLists.txt | grep -v '^property_test$'
)

unit_tests() {
  local preset="$1" filter="$2"
  ctest --test-dir "build/$preset" --label-regex '^unit$' --parallel 2 \
    --output-on-failure --no-tests=error --tests-regex "$filter"
}

format() {
  git ls-files '*.cc' '*.h' | xargs clang-format-14 --dry-run --Werror
}

check "clang-format" format
check "build with clang: thread-safety analysis" \
  tests/support/build.sh clang pageferry_core pageferry_kernel \
  pageferry_model pageferry_metrics pageferry_service
check "build with AddressSanitizer and UndefinedBehaviorSanitizer" \
  tests/support/build.sh asan all
check "unit tests with AddressSanitizer and UndefinedBehaviorSanitizer" \
  unit_tests asan .
check "build with ThreadSanitizer" \
  tests/support/build.sh tsan core_test kernel_test "${model_tests[@]}"
check "core with ThreadSanitizer" build/tsan/bin/core_test
check "kernel with ThreadSanitizer" build/tsan/bin/kernel_test
for test in "${model_tests[@]}"; do
  check "model with ThreadSanitizer: $test" "build/tsan/bin/$test"
done
end_checks
