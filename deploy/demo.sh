#!/usr/bin/env bash
# The main job, shown: a process's memory moves between two NUMA nodes and
# back, in all three modes, through the service, and every page is checked.
#
# Installs what it needs and builds. Where this machine has one NUMA node, the
# show takes place in a virtual machine with two (tests/vm), under Debian's
# 6.12 kernel; --kernel 6.1 takes that one instead. --native insists on this
# machine's own nodes. --model needs none: the service moves the pages of
# simulated processes, with everything that can go wrong.
set -euo pipefail
cd "$(dirname "$0")/.."

kernel=6.12
where=auto
while [ $# -gt 0 ]; do
  case "$1" in
    --kernel)
      kernel="${2:?--kernel needs 6.1 or 6.12}"
      shift 2
      ;;
    --native | --model)
      where="${1#--}"
      shift
      ;;
    *)
      echo "usage: deploy/demo.sh [--kernel 6.1|6.12 | --native | --model]" >&2
      exit 64
      ;;
  esac
done

memory_nodes() {
  # "0-1,3" has three nodes.
  tr ',' '\n' < /sys/devices/system/node/has_memory 2> /dev/null |
    awk -F- '{ n += ($2 == "" ? 1 : $2 - $1 + 1) } END { print n + 0 }'
}

if [ "$where" = auto ]; then
  if [ "$(memory_nodes)" -ge 2 ]; then where=native; else where=machine; fi
fi

echo "== packages"
groups=(run build)
[ "$where" != machine ] || groups+=(vm)
deploy/install-packages.sh "${groups[@]}"
echo "== build"
PAGEFERRY_CMAKE_OPTIONS=-DPAGEFERRY_BUILD_TESTS=OFF \
  tests/support/build.sh dev pageferryd pageferry pageferry_target

show=(/usr/bin/python3 -B deploy/demo/show.py build/dev/bin)
case "$where" in
  native) exec "${show[@]}" real ;;
  model) exec "${show[@]}" model ;;
esac
echo "== a machine with two NUMA nodes, Linux $kernel"
exec tests/vm/run --kernel "$kernel" --timeout 900 -- "${show[@]}" real
