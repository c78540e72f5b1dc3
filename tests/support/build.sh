#!/usr/bin/env bash
# support/build.sh PRESET TARGET...: configures a preset of CMakePresets.json
# and builds targets of it. PAGEFERRY_CMAKE_OPTIONS: more options for CMake.
set -euo pipefail
cd "$(dirname "$0")/../.."
preset="$1"
shift
# What was compiled in one checkout serves in another: paths are relative.
export CCACHE_BASEDIR="$PWD" CCACHE_NOHASHDIR=1
revision="$(git rev-parse --short=12 HEAD 2> /dev/null || echo unknown)"
log="build/$preset.configure.log"
mkdir -p build
read -ra options <<< "${PAGEFERRY_CMAKE_OPTIONS:-}"
if ! cmake --preset "$preset" "-DPAGEFERRY_REVISION=$revision" \
  "${options[@]}" > "$log" 2>&1; then
  cat "$log"
  exit 1
fi
# Quiet while all goes well: ninja's last line, or all of them on failure.
log="build/$preset.build.log"
if ! cmake --build --preset "$preset" --target "$@" > "$log" 2>&1; then
  grep -vE '^\[[0-9]+/[0-9]+\]' "$log" || tail -n 50 "$log"
  exit 1
fi
tail -n 1 "$log"
