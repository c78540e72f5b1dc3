# What an operator runs: the demo, the scripts, the metrics as Prometheus sees
# them.
set -euo pipefail
. tests/support/run_checks.sh

demo() {
  local out
  out="$(deploy/demo.sh "$@" < /dev/null)" || {
    echo "$out"
    return 1
  }
  echo "$out"
  grep -qE '^demo: ([1-9][0-9]*) pages moved, \1 of them verified' \
    <<< "$(tail -n 1 <<< "$out")"
}

usage_error() {
  local code=0
  "$@" > /dev/null 2>&1 || code=$?
  [ "$code" -eq 64 ]
}

# A live scrape is clean.
scrape() {
  local folder daemon code=0 address
  folder="$(mktemp -d)"
  build/dev/bin/pageferryd --listen "unix://$folder/pageferry.sock" \
    --metrics-address 127.0.0.1:0 2> "$folder/log" &
  daemon=$!
  until grep -q '"metrics_address"' "$folder/log"; do
    kill -0 "$daemon" || return 1
    sleep 0.1
  done
  address="$(jq -r 'select(.metrics_address) | .metrics_address' \
    "$folder/log" | head -n 1)"
  /usr/bin/python3 -c 'import sys, urllib.request
sys.stdout.buffer.write(urllib.request.urlopen(sys.argv[1]).read())' \
    "http://$address/metrics" > "$folder/metrics" || code=$?
  promtool check metrics < "$folder/metrics" || code=$?
  kill "$daemon"
  wait "$daemon" || code=$?
  rm -r "$folder"
  return "$code"
}

# unit_tests MODULE
unit_tests() {
  mkdir -p build/reports
  /usr/bin/python3 -B tests/support/unittests.py tests/deploy "$1" 2>&1 |
    tee "build/reports/$1.log"
}

# Debian's Prometheus is built without discovery in Kubernetes: all but that.
kubernetes_config() {
  local folder code=0
  folder="$(mktemp -d)"
  cp deploy/prometheus/rules.yaml "$folder"
  sed '/kubernetes_sd_configs:/,/role:/d' deploy/prometheus/kubernetes.yaml \
    > "$folder/kubernetes.yaml"
  promtool check config "$folder/kubernetes.yaml" || code=$?
  rm -r "$folder"
  return "$code"
}

# The scenario that the README shows does what is said there.
readme_scenario() {
  local folder daemon out code=0
  folder="$(mktemp -d)"
  sed -n '/^    seed: 1$/,/^    fill_events/p' README.md \
    > "$folder/readme.textproto"
  build/dev/bin/pageferryd --backend=model --metrics-address=off \
    --scenario="$folder/readme.textproto" --listen="unix://$folder/s" \
    2> "$folder/log" &
  daemon=$!
  until grep -q '"ready"' "$folder/log"; do
    kill -0 "$daemon" || { cat "$folder/log"; return 1; }
    sleep 0.1
  done
  out="$(build/dev/bin/pageferry --endpoint "unix://$folder/s" migrate \
    --cgroup /kubepods/cache --all --from 0 --to 1 --mode async)" || code=$?
  kill "$daemon"
  wait "$daemon"
  echo "$out"
  rm -r "$folder"
  # Three batches but for pinned pages, and what 100 frames can hold.
  [ "$code" -eq 2 ] && grep -q "NO_MEMORY" <<< "$out" &&
    grep -qE "^  moved +1[3-6][0-9]{2} " <<< "$out" &&
    grep -qE "^  retries +[1-9]" <<< "$out"
}

mapfile -t scripts < <(git ls-files '*.sh' .ci/run tests/vm)
shell_scripts=()
for file in "${scripts[@]}"; do
  # busybox's scripts name their own shell; data and Python are not for this.
  if head -n 1 "$file" | grep -qE '^#!.*(bash|sh)$' || [[ $file == *.sh ]]; then
    shell_scripts+=("$file")
  fi
done

check "shellcheck" shellcheck --shell=bash --severity=warning --external-sources \
  "${shell_scripts[@]}"
check "packages are installed, and a second time does nothing" \
  deploy/install-packages.sh run build test vm
check "an unknown group of packages is refused" \
  usage_error deploy/install-packages.sh nonsense
check "an unknown suite is refused" usage_error tests/run.sh nonsense
check "promtool check metrics on a live scrape" scrape
check "promtool check rules" promtool check rules deploy/prometheus/rules.yaml
check "promtool test rules" promtool test rules \
  deploy/prometheus/*_test.yaml
check "promtool check config" promtool check config \
  deploy/prometheus/prometheus.yaml
check "promtool check config, Kubernetes" kubernetes_config
check "the dashboards' types" tests/deploy/check_dashboards.sh
export PAGEFERRY_BIN="$PWD/build/dev/bin"
for test in test_runbook test_dashboards test_sums test_drain; do
  check "$test" unit_tests "$test"
done
check "dashboards and rules with data" unit_tests test_monitoring
cat build/reports/test_monitoring.log
check "the README's scenario" readme_scenario
check "deploy/demo.sh --model" demo --model
check "deploy/demo.sh" demo
check "deploy/demo.sh --kernel 6.1" demo --kernel 6.1
end_checks
