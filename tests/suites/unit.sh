# The GoogleTest programs of every room, by ctest.
set -euo pipefail
log=build/reports/unit.ctest.log
code=0
ctest --test-dir build/dev --label-regex '^(unit|install)$' --parallel 2 \
  --output-on-failure --no-tests=error > "$log" 2>&1 || code=$?
grep -vE '^ *[0-9]+/[0-9]+ Test .* Passed ' "$log" |
  grep -vE '^ *Start +[0-9]+: ' || true
# "100% tests passed, 0 tests failed out of 62"
line="$(grep -E 'tests passed, [0-9]+ tests failed out of' "$log")"
failed="$(sed -E 's/.*passed, ([0-9]+) tests.*/\1/' <<< "$line")"
total="${line##* }"
echo "$((total - failed)) passed, $failed failed"
exit "$code"
