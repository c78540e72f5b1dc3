# The acceptance tests in machines with two and four NUMA nodes and real
# kernels, and the checks of that machine itself.
#
# For development: PAGEFERRY_VM_TESTS names single tests (module.Class.test),
# PAGEFERRY_VM_KERNELS the kernels.
set -euo pipefail
source tests/support/machines.sh
tests=()
if [ -n "${PAGEFERRY_VM_TESTS:-}" ]; then read -ra tests <<< "$PAGEFERRY_VM_TESTS"; fi
read -ra kernels <<< "${PAGEFERRY_VM_KERNELS:-6.1 6.12}"

# run_tests KERNEL SHAPE SIZES [TEST...]
run_tests() {
  local kernel="$1" shape="$2" sizes="$3"
  shift 3
  in_machine "build/reports/vm-$kernel-$shape.log" "$kernel" "$shape" "$sizes" \
    --timeout "${PAGEFERRY_VM_TIMEOUT:-2400}" \
    --env "PAGEFERRY_SHAKE_SEED=${PAGEFERRY_SHAKE_SEED:-}" \
    --env "PAGEFERRY_SHAKE_SECONDS=${PAGEFERRY_SHAKE_SECONDS:-}" -- \
    /usr/bin/python3 -B tests/support/unittests.py tests/vm/acceptance "$@" || true
}

run_on_kernel() {
  run_tests "$1" two 2560M,1536M "${tests[@]}"
  if [ ${#tests[@]} -eq 0 ]; then
    run_tests "$1" four 1G,1G,512M,512M test_memory
  fi
}

shapes=(two)
if [ ${#tests[@]} -eq 0 ]; then shapes+=(four); fi
rm -f build/reports/vm-*.log
on_kernels run_on_kernel "${kernels[@]}"

passed=0
failed=0
for kernel in "${kernels[@]}"; do
  for shape in "${shapes[@]}"; do
    log="build/reports/vm-$kernel-$shape.log"
    echo "--- Linux $kernel, $shape nodes"
    cat "$log"
    line="$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$log" | tail -n 1 || true)"
    if [ -z "$line" ]; then
      echo "not ok  Linux $kernel, $shape nodes: no result"
      failed=$((failed + 1))
      continue
    fi
    passed=$((passed + ${line%% passed*}))
    line="${line#* passed, }"
    failed=$((failed + ${line%% failed*}))
  done
done
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
