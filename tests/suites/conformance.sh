# One set of cases against the model and against both kernels: the same
# outcomes, reasons and places.
set -euo pipefail
folder=build/reports/conformance
mkdir -p "$folder"
export PAGEFERRY_BIN="$PWD/build/dev/bin"
/usr/bin/python3 -B tests/conformance/observe.py model "$folder/model.json" \
  2> "$folder/model.log"
for kernel in 6.1 6.12; do
  tests/vm/run --kernel "$kernel" --timeout 300 --share "$PWD/$folder" \
    --env "PAGEFERRY_BIN=$PAGEFERRY_BIN" -- /usr/bin/python3 -B \
    tests/conformance/observe.py kernel "$PWD/$folder/$kernel.json" \
    > "$folder/$kernel.log" || { cat "$folder/$kernel.log"; exit 1; }
done
/usr/bin/python3 -B tests/conformance/compare.py "model=$folder/model.json" \
  "Linux 6.1=$folder/6.1.json" "Linux 6.12=$folder/6.12.json"
