#!/bin/bash
# Installs the Debian packages of the groups given that are missing.
# Usage: deploy/install-packages.sh GROUP...   (groups: see packages.txt)
# Does nothing, and needs neither network nor root, when all are there.
set -euo pipefail

list=$(dirname "$0")/packages.txt
groups=$(awk '!/^#/ && NF {print $1}' "$list" | sort -u | tr '\n' ' ')

fail() {
  echo "install-packages.sh: $2" >&2
  exit "$1"
}

[ $# -gt 0 ] || fail 64 "no group given; groups: $groups"
for group in "$@"; do
  case " $groups" in
    *" $group "*) ;;
    *) fail 64 "no group $group; groups: $groups" ;;
  esac
done

installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

missing=()
while read -r group entry _; do
  case " $* " in *" $group "*) ;; *) continue ;; esac
  package=${entry%%:*}
  if [ "$package" != "$entry" ] && command -v "${entry#*:}" >/dev/null; then
    continue
  fi
  installed "$package" || missing+=("$package")
done < <(grep -v '^#' "$list")
[ ${#missing[@]} -gt 0 ] || exit 0

[ "$(id -u)" -eq 0 ] ||
  fail 77 "not root, cannot install: ${missing[*]}"
export DEBIAN_FRONTEND=noninteractive

# Waits for another apt rather than failing beside it.
install() {
  apt-get -q -y -o DPkg::Lock::Timeout=600 install --no-install-recommends \
    "${missing[@]}" </dev/null
}

echo "install-packages.sh: installing ${missing[*]}" >&2
if ! install; then
  apt-get -q -o DPkg::Lock::Timeout=600 update </dev/null ||
    fail 1 "apt-get update failed"
  install || fail 1 "apt-get cannot install: ${missing[*]}"
fi
