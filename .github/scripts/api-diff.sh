#!/usr/bin/env bash
# Usage: api-diff.sh BASE
#
# Says what changes in the Go API of the public packages from the git revision BASE to the working tree. APIDIFF runs
# apidiff.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$1"

# The folders of the public packages, on both sides: a package can be new, or gone.
public() { (cd "$1" && go list ./kalshiauth/... | sed "s|^$(go list -m)/||" | grep -vE '/(cmd|internal)(/|$)'); }
packages=$({ public "$work/base" && public .; } | sort -u)

for package in $packages; do
  echo "$package:"
  if [ ! -d "$work/base/$package" ]; then
    echo '  is new'
    continue
  fi
  if [ ! -d "$package" ]; then
    printf '%s\n' 'Incompatible changes:' '- the package is gone'
    continue
  fi
  (cd "$work/base" && ${APIDIFF:?is not set: run make api-diff} -w "$work/export" "./$package")
  changes=$(${APIDIFF} "$work/export" "./$package")
  echo "${changes:-  nothing changed}"
done
