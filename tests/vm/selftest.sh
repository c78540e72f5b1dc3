#!/bin/bash
# Checks tests/vm/run itself. Usage: tests/vm/selftest.sh KERNEL...
# Prints "ok NAME" or "not ok NAME"; exits 1 if anything failed.
set -u

here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
failed=0

verdict() {  # verdict NAME COMMAND...: ok when the command succeeds
  local name=$1
  shift
  if "$@"; then
    echo "ok $name"
  else
    echo "not ok $name"
    failed=1
  fi
}

vm() { "$here/run" --kernel "$kernel" --timeout 120 "$@"; }

# One boot answers most questions, in lines NAME=ANSWER.
# shellcheck disable=SC2016  # expanded in the guest
questions='
  echo "release=$(uname -r)"
  echo "kernel=$PAGEFERRY_VM_KERNEL"
  echo "python=$(command -v python3)"
  echo "memory=$(cat /sys/devices/system/node/has_memory)"
  echo "cpu=$(cat /sys/devices/system/node/has_cpu)"
  echo "distance0=$(cat /sys/devices/system/node/node0/distance)"
  echo "distance1=$(cat /sys/devices/system/node/node1/distance)"
  echo "latency1=$(cat \
    /sys/devices/system/node/node1/access0/initiators/read_latency)"
  echo "cgroup=$(stat -f -c %T /sys/fs/cgroup)"
  echo "directory=$PWD"
  echo "extra=$EXTRA"
  echo "swaps=$(wc -l </proc/swaps)"
  modprobe -a zram loop dm-delay && echo modules=ok
  test -d /sys/kernel/tracing/events/migrate && echo tracing=ok
  touch "$HERE/intruder" && echo intruder=ok
  head -c 65536 /dev/zero | tr "\0" "\377" >"$PAGEFERRY_VM_SHARE/blob"
  echo standard_error=ok >/dev/stderr
  exit 7'

# shellcheck disable=SC2317  # called through verdict
has() { grep -qxF "$1" "$work/answers"; }
# shellcheck disable=SC2317
same() { [ "$1" = "$2" ]; }

check_two() {
  local share=$work/share code=0
  mkdir -p "$share"
  vm --share "$share" --env "EXTRA=a 'b' \$c" --env "HERE=$here" -- \
    sh -c "$questions" >"$work/answers"
  code=$?
  verdict "$kernel/passes-exit-code-7" same "$code" 7
  verdict "$kernel/boots-its-series" \
    grep -q "^release=$kernel\." "$work/answers"
  local line
  for line in "kernel=$kernel" python=/usr/bin/python3 memory=0-1 cpu=0 \
      "distance0=10 20" "distance1=20 10" latency1=250 cgroup=cgroup2fs \
      "directory=$PWD" "extra=a 'b' \$c" swaps=1 modules=ok tracing=ok \
      intruder=ok standard_error=ok; do
    verdict "$kernel/${line%%=*}" has "$line"
  done
  verdict "$kernel/writes-to-the-share" \
    same "$(stat -c %s "$share/blob" 2>/dev/null)" 65536
  verdict "$kernel/leaves-the-host-alone" test ! -e "$here/intruder"
}

check_bytes() {
  vm -- /usr/bin/python3 -c \
    'import os; os.write(1, bytes(range(256)) * 4096)' >"$work/bytes"
  verdict "$kernel/passes-exit-code-0" same "$?" 0
  /usr/bin/python3 -c \
    'import os; os.write(1, bytes(range(256)) * 4096)' | cat >"$work/wanted"
  verdict "$kernel/passes-every-byte" cmp "$work/bytes" "$work/wanted"
}

# The first line is here while the command still sleeps.
check_live() {
  vm -- sh -c 'echo first; sleep 5; echo second' |
    while read -r line; do echo "$line $(date +%s)"; done >"$work/live"
  local first second
  first=$(sed -n 's/^first //p' "$work/live")
  second=$(sed -n 's/^second //p' "$work/live")
  verdict "$kernel/output-is-live" \
    test "$((${second:-0} - ${first:-0}))" -ge 3
}

check_ends() {
  vm --timeout 10 -- sleep 100 2>"$work/errors"
  verdict "$kernel/timeout-gives-124" same "$?" 124
  verdict "$kernel/timeout-says-so" grep -q "no end after" "$work/errors"
  vm -- sh -c 'echo c >/proc/sysrq-trigger' 2>"$work/errors"
  verdict "$kernel/panic-gives-125" same "$?" 125
  verdict "$kernel/panic-shows-console" \
    grep -q "Kernel panic" "$work/errors"
}

check_four() {
  # shellcheck disable=SC2016  # expanded in the guest
  vm --shape four --sizes 768M,768M,512M,256M -- sh -c '
    cd /sys/devices/system/node
    echo "cpu=$(cat has_cpu)" "memory=$(cat has_memory)"
    cat node2/distance' >"$work/four"
  printf '%s\n' "cpu=0-1 memory=0-3" "24 31 10 41" >"$work/wanted"
  verdict "$kernel/four-nodes" cmp "$work/four" "$work/wanted"
}

if [ $# -eq 0 ]; then
  echo "usage: tests/vm/selftest.sh KERNEL..." >&2
  exit 64
fi
for kernel in "$@"; do
  check_two
  check_bytes
  check_live
  check_ends
  check_four
done
exit "$failed"
