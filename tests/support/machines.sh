# For suites that run in machines of tests/vm; to be sourced.

# in_machine LOG KERNEL SHAPE SIZES [FLAG...] -- COMMAND [ARGUMENT...]
# Runs the command in a machine, flags as tests/vm/run takes them.
in_machine() {
  local log="$1" kernel="$2" shape="$3" sizes="$4"
  shift 4
  tests/vm/run --kernel "$kernel" --shape "$shape" --sizes "$sizes" \
    --env "PAGEFERRY_BIN=$PWD/build/dev/bin" "$@" > "$log" 2>&1
}

# on_kernels FUNCTION KERNEL...
# Calls the function with each kernel, side by side: an emulated machine keeps
# little more than one CPU busy. Fails when one of the calls does.
on_kernels() {
  local call="$1" kernel job jobs=() code=0
  shift
  for kernel in "$@"; do
    "$call" "$kernel" &
    jobs+=($!)
  done
  for job in "${jobs[@]}"; do wait "$job" || code=$?; done
  return "$code"
}
