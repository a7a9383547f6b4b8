#!/usr/bin/env bash
# Usage: named-tests.sh PACKAGE PATTERN [FLAG...]
#
# Runs the tests whose names match PATTERN, and prints their failures and what they log. It is an error if no test
# matches.
set -euo pipefail
cd "$(dirname "$0")/../.."
package=$1
pattern=$2
shift 2
output=$(mktemp)
trap 'rm -f "$output"' EXIT
(cd "$package" && go test -count=1 -timeout=20m -v -run "$pattern" . "$@") 2>&1 | tee "$output" |
  grep -vE '^ *(=== |--- (PASS|SKIP)|PASS$|$)'
if ! grep -q '^--- PASS' "$output"; then
  echo "named-tests: $package has no test that matches $pattern" >&2
  exit 1
fi
