#!/usr/bin/env bash
# Generates the code again in a copy of the project, and names each generated file that differs. It does not change the
# working tree.
set -euo pipefail
cd "$(dirname "$0")/../.."

copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
cp -R go.mod go.sum tools.go api gen "$copy"
find "$copy/gen" -name '*.gen.go' -delete
(cd "$copy" && go generate ./...)

generated() { (cd "$1" && find gen -name '*.gen.go'); }

failed=0
for file in $({ generated . && generated "$copy"; } | sort -u); do
  if [ ! -f "$copy/$file" ]; then
    echo "$file is not generated any more: delete it"
  elif [ ! -f "$file" ]; then
    echo "$file is missing: run make generate"
  elif ! cmp -s "$file" "$copy/$file"; then
    echo "$file is out of date: run make generate"
  else
    continue
  fi
  failed=1
done
if [ "$failed" = 0 ]; then
  echo 'verify-generated: the generated code is up to date'
fi
exit "$failed"
