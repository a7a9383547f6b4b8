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
for package in kalshiauth kalshiauth/kalshiauthtest kalshiauth/filestore kalshiauth/contract; do
  echo "$package:"
  if [ ! -d "$work/base/$package" ]; then
    echo '  is new'
    continue
  fi
  (cd "$work/base" && ${APIDIFF:?is not set: run make api-diff} -w "$work/export" "./$package")
  changes=$(${APIDIFF} "$work/export" "./$package")
  echo "${changes:-  nothing changed}"
done
