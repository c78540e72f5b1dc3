# The states of tests/vm/acceptance, by the model and by both kernels: the same
# outcomes, reasons and places, but for differences that are listed.
#
# For development: PAGEFERRY_STATES picks states by a regular expression; what
# is missing then fails.
set -euo pipefail
source tests/support/machines.sh
folder="$PWD/build/reports/conformance"
rm -rf "$folder"
mkdir -p "$folder"
export PAGEFERRY_BIN="$PWD/build/dev/bin"

on_kernel() {
  in_machine "$folder/$1.log" "$1" two 2560M,1536M --timeout 1500 \
    --share "$folder" --env "PAGEFERRY_STATES=${PAGEFERRY_STATES:-}" -- \
    /usr/bin/python3 -B tests/conformance/kernel.py "$folder/$1.json" ||
    { tail -n 60 "$folder/$1.log"; return 1; }
}

as_kernel() {
  /usr/bin/python3 -B tests/conformance/model.py "$1" \
    "$folder/model-$1.json" 2> "$folder/model-$1.log" ||
    { cat "$folder/model-$1.log"; return 1; }
}

on_kernels as_kernel 6.1 6.12
echo "the model: $SECONDS s"
on_kernels on_kernel 6.1 6.12
echo "with both kernels: $SECONDS s"
/usr/bin/python3 -B tests/conformance/compare.py \
  "model=$folder/model-6.12.json" "model as 6.1=$folder/model-6.1.json" \
  "6.1=$folder/6.1.json" "6.12=$folder/6.12.json"
