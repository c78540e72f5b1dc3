#!/usr/bin/env bash
# Passes the tests: installs what they need, builds, runs the suites, and ends
# with a line `N passed, N failed` over all of them.
#
#   tests/run.sh             all suites but bench
#   tests/run.sh SUITE...    only these, of: unit conformance wire vm deploy
#                            fuzz sanitize bench
#
# A suite is tests/suites/NAME.sh; its own last line is `N passed, N failed`.
# One that ends without such a line, or with no test, did not run and is a
# failure. The output of each is kept in build/reports/NAME.log.
set -euo pipefail
cd "$(dirname "$0")/.."

all=(unit conformance wire vm deploy fuzz sanitize)
known=" ${all[*]} bench "
suites=("$@")
[ $# -gt 0 ] || suites=("${all[@]}")
for suite in "${suites[@]}"; do
  if [[ "$known" != *" $suite "* ]]; then
    echo "tests/run.sh: no suite is named \"$suite\"; there are:$known" >&2
    exit 64
  fi
done

deploy/install-packages.sh run build test vm
mkdir -p build/reports
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=ON \
  tests/support/build.sh dev all

passed=0
failed=0
summary=()
for suite in "${suites[@]}"; do
  script="tests/suites/$suite.sh"
  log="build/reports/$suite.log"
  echo "=== $suite"
  started=$SECONDS
  code=0
  bash "$script" < /dev/null 2>&1 | tee "$log" || code=$?
  line="$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)"
  suite_passed=0
  suite_failed=0
  if [ -n "$line" ]; then
    suite_passed="${line%% passed*}"
    suite_failed="${line#* passed, }"
    suite_failed="${suite_failed%% failed*}"
  fi
  note=""
  if [ -z "$line" ] || [ $((suite_passed + suite_failed)) -eq 0 ]; then
    note=" (did not run to its end: exit code $code)"
    suite_failed=$((suite_failed + 1))
  elif [ "$code" -ne 0 ] && [ "$suite_failed" -eq 0 ]; then
    note=" (exit code $code)"
    suite_failed=1
  fi
  passed=$((passed + suite_passed))
  failed=$((failed + suite_failed))
  summary+=("$(printf '%-12s %5d passed %5d failed %5d s%s' "$suite" \
    "$suite_passed" "$suite_failed" $((SECONDS - started)) "$note")")
done

echo "=== summary"
printf '%s\n' "${summary[@]}"
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
