# The contract: its form, its past, and a foreign client on the wire.
set -euo pipefail
. tests/support/run_checks.sh
mkdir -p build/npm
npm install --silent --no-audit --no-fund --no-package-lock --no-save \
  --prefix build/npm @bufbuild/buf@1.75.0 > /dev/null
buf=build/npm/node_modules/.bin/buf

# The contract as it was before the last change to it: HEAD's while the work
# tree differs from that, else that of the commit before the last one that
# touched it. Nothing where there is no earlier one.
earlier_contract() {
  local last
  if ! git diff --quiet HEAD -- proto; then
    echo HEAD
    return
  fi
  last="$(git log -1 --format=%H -- proto)"
  git rev-parse --quiet --verify "$last^" || true
}

not_broken() {
  local commit folder code=0
  commit="$(earlier_contract)"
  if [ -z "$commit" ] || ! git cat-file -e "$commit:proto" 2> /dev/null; then
    echo "this is the first version of the contract"
    return 0
  fi
  folder="$(mktemp -d)"
  git archive "$commit" proto | tar -x -C "$folder"
  "$buf" breaking proto --against "$folder/proto" || code=$?
  rm -r "$folder"
  return "$code"
}

# foreign_client [OPTION...]: tests/wire against a daemon with these options.
foreign_client() {
  local folder daemon code=0
  folder="$(mktemp -d)"
  build/dev/bin/pageferryd --listen "unix://$folder/pageferry.sock" \
    --metrics-address off "$@" 2> "$folder/log" &
  daemon=$!
  until build/dev/bin/pageferry --endpoint "unix://$folder/pageferry.sock" \
    health --service liveness > /dev/null 2>&1; do
    if ! kill -0 "$daemon" 2> /dev/null; then
      cat "$folder/log"
      return 1
    fi
    sleep 0.1
  done
  PAGEFERRY_ENDPOINT="unix://$folder/pageferry.sock" \
    /usr/bin/python3 -B tests/wire/wire_test.py || code=$?
  kill "$daemon"
  wait "$daemon" || code=$?
  rm -r "$folder"
  return "$code"
}

check "buf lint (STANDARD, COMMENTS)" "$buf" lint proto
check "buf format" "$buf" format --diff --exit-code proto
check "buf breaking" not_broken
check "Python client, kernel backend of this machine" foreign_client
# The modelled machine's batch job.
export PAGEFERRY_TARGET_PID=200 PAGEFERRY_TARGET_ADDRESS=0x10000000
export PAGEFERRY_TARGET_PAGES=4096
check "Python client, model backend" foreign_client --backend=model \
  --scenario=server/model/scenarios/two-tier-laptop.textproto
end_checks
