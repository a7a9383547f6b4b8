#!/usr/bin/env bash
# Usage: api-diff.sh BASE [DIRECTORY]
#
# Prints what changed since the git revision BASE in the Go API of each public package of a module: of the one in
# DIRECTORY, or of the root module. For the root module, it also prints which generated files changed.
set -euo pipefail
cd "$(dirname "$0")/../.."
base=$1
dir=${2:-.}
work=$(mktemp -d)
trap 'git worktree remove --force "$work/base" 2>/dev/null; rm -rf "$work"' EXIT
git worktree add --quiet --detach "$work/base" "$base"

GOBIN=$work go install golang.org/x/exp/cmd/apidiff@v0.0.0-20261014143641-f0251eb4aa3e

if [ "$dir" = . ]; then
  all=./kalshiauth/...
  echo "The generated code, since $base:"
  changes=$(git diff --stat "$base" -- gen)
  echo "${changes:-  no changes}"
  echo
  echo "The Go API, since $base:"
else
  all=./...
  echo "The Go API of $dir, since $base:"
  if [ ! -f "$work/base/$dir/go.mod" ]; then
    printf '%s\n\n' '  a new module'
    exit
  fi
fi

# The directories of the public packages of both revisions, since a package can be new or gone.
public() { (cd "$1" && go list "$all" | sed "s|^$(go list -m)|.|" | grep -vE '/(cmd|internal)(/|$)'); }
packages=$({ public "$work/base/$dir" && public "$dir"; } | sort -u)

for package in $packages; do
  name=$dir${package#.} # from the top of the repository
  name=${name#./}
  echo "$name:"
  if [ ! -d "$work/base/$name" ]; then
    echo '  a new package'
    continue
  fi
  if [ ! -d "$name" ]; then
    printf '%s\n' 'Incompatible changes:' '- the package was removed'
    continue
  fi
  (cd "$work/base/$dir" && "$work/apidiff" -w "$work/export" "$package")
  changes=$(cd "$dir" && "$work/apidiff" "$work/export" "$package")
  echo "${changes:-  no changes}"
done
echo
