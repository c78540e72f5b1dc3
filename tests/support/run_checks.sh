# Sourced by suites that are lists of checks.
#
#   check NAME COMMAND...   runs it and says ok or not ok, with its output then
#   end_checks              prints `N passed, N failed`; fails if any failed

checks_passed=0
checks_failed=0

check() {
  local name="$1" output code=0
  shift
  output="$("$@" 2>&1)" || code=$?
  if [ "$code" -eq 0 ]; then
    echo "ok      $name"
    checks_passed=$((checks_passed + 1))
  else
    printf 'not ok  %s (exit code %d)\n%s\n' "$name" "$code" "$output"
    checks_failed=$((checks_failed + 1))
  fi
}

end_checks() {
  echo "$checks_passed passed, $checks_failed failed"
  [ "$checks_failed" -eq 0 ]
}
