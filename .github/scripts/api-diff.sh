#!/usr/bin/env bash
# Usage: api-diff.sh BASE
#
# Prints what changed since the git revision BASE: which generated files, and what in the Go API of each public package
# of the root module.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$1"

apidiff() { go run golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e "$@"; }

echo "The generated code, since $1:"
changes=$(git diff --stat "$1" -- gen)
echo "${changes:-  no changes}"
echo
echo "The Go API, since $1:"

# The directories of the public packages of both revisions, since a package can be new or gone.
public() { (cd "$1" && go list ./kalshiauth/... | sed "s|^$(go list -m)/||" | grep -vE '/(cmd|internal)(/|$)'); }
packages=$({ public "$work/base" && public .; } | sort -u)

for package in $packages; do
  echo "$package:"
  if [ ! -d "$work/base/$package" ]; then
    echo '  a new package'
    continue
  fi
  if [ ! -d "$package" ]; then
    printf '%s\n' 'Incompatible changes:' '- the package was removed'
    continue
  fi
  (cd "$work/base" && apidiff -w "$work/export" "./$package")
  changes=$(apidiff "$work/export" "./$package")
  echo "${changes:-  no changes}"
done
echo
