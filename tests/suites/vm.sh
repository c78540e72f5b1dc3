# The acceptance tests in machines with two and four NUMA nodes and real
# kernels, and the checks of that machine itself.
#
# PAGEFERRY_VM_TESTS names single tests (module.Class.test), for development.
# PAGEFERRY_SHAKE_SEED and PAGEFERRY_SHAKE_SECONDS are for test_shaking.
set -euo pipefail
passed=0
failed=0
tests=()
if [ -n "${PAGEFERRY_VM_TESTS:-}" ]; then read -ra tests <<< "$PAGEFERRY_VM_TESTS"; fi

# run_in_machine KERNEL SHAPE SIZES [TEST...]
run_in_machine() {
  local kernel="$1" shape="$2" sizes="$3" log code=0 line
  shift 3
  log="build/reports/vm-$kernel-$shape.log"
  echo "--- Linux $kernel, $shape nodes"
  tests/vm/run --kernel "$kernel" --shape "$shape" --sizes "$sizes" \
    --timeout "${PAGEFERRY_VM_TIMEOUT:-1500}" \
    --env "PAGEFERRY_BIN=$PWD/build/dev/bin" \
    --env "PAGEFERRY_SHAKE_SEED=${PAGEFERRY_SHAKE_SEED:-}" \
    --env "PAGEFERRY_SHAKE_SECONDS=${PAGEFERRY_SHAKE_SECONDS:-}" -- \
    /usr/bin/python3 -B tests/support/unittests.py tests/vm/acceptance "$@" |
    tee "$log" || code=$?
  line="$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)"
  if [ -z "$line" ]; then
    echo "not ok  Linux $kernel, $shape nodes: no result, exit code $code"
    failed=$((failed + 1))
    return
  fi
  passed=$((passed + ${line%% passed*}))
  line="${line#* passed, }"
  failed=$((failed + ${line%% failed*}))
}

for kernel in 6.1 6.12; do
  run_in_machine "$kernel" two 2560M,1536M "${tests[@]}"
  if [ ${#tests[@]} -eq 0 ]; then
    run_in_machine "$kernel" four 1G,1G,512M,512M test_memory
  fi
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
