#!/usr/bin/env bash
# Fails if kalshiauth or autologin is too large. Tests, empty lines and comments do not count as lines of code.
set -euo pipefail
cd "$(dirname "$0")/../.."

max_file=300 # lines of a file, with comments
failed=0

# check DIRECTORY LIMIT: the limit is in lines of code of the package.
check() {
  local files code file lines
  files=$(find "$1" -maxdepth 1 -name '*.go' ! -name '*_test.go')
  code=$(cat $files | grep -cvE '^[[:space:]]*(//|$)')
  echo "$1: $code lines of code, $2 allowed"
  if [ "$code" -gt "$2" ]; then
    failed=1
  fi
  for file in $files; do
    lines=$(($(wc -l <"$file")))
    if [ "$lines" -gt "$max_file" ]; then
      echo "$file: $lines lines, $max_file allowed"
      failed=1
    fi
  done
}

# 800 lines are for the first four operations. Each further operation may add 40.
operations=$(grep -c 'operationId:' api/openapi.yaml)
check kalshiauth $((800 + 40 * (operations - 4)))
check kalshiauth/autologin 560
if [ "$failed" = 1 ]; then
  echo 'line-limits: make the code simpler, or move code that lives longer than a call to another package' >&2
fi
exit "$failed"
