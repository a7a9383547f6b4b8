#!/usr/bin/env bash
# Usage: fuzz.sh TIME
#
# Runs each fuzz target of each package for TIME, such as 10s. It ends at the first failure and prints the input that
# caused it. `go test` runs that input, too, from then on.
set -euo pipefail
cd "$(dirname "$0")/../.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT

# fuzz TARGET TIME PACKAGE: before Go 1.27, the end of the time can be reported as a failure, without an input
# (golang/go#75804). Then the target runs once more.
fuzz() {
  local try
  for try in 1 2; do
    if go test -run='^$' -fuzz="^$1\$" -fuzztime="$2" -fuzzminimizetime=5s "$3" >"$output" 2>&1; then
      return
    fi
    if grep -q 'Failing input written' "$output" || ! grep -qx ' *context deadline exceeded' "$output"; then
      return 1
    fi
  done
  return 1
}

for package in $(go list ./...); do
  list=$(go test -list '^Fuzz' "$package") # fails if the package does not compile
  for target in $(grep '^Fuzz' <<<"$list" || true); do
    start=$SECONDS
    if ! fuzz "$target" "$1" "$package"; then
      echo "fuzz: $target failed after $((SECONDS - start)) s in $package:"
      awk '!/^fuzz: elapsed/ && n++ < 20' "$output" | cut -c 1-1000
      input=$(sed -n 's/^ *Failing input written to //p' "$output")
      if [ -n "$input" ]; then
        echo "fuzz: the input is in $input, in the directory of $package:"
        cat "$(go list -f '{{.Dir}}' "$package")/$input"
      fi
      exit 1
    fi
    inputs=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$output" | tail -1)
    echo "fuzz: $target (${package##*/}): no failure in $1, ${inputs:-0} inputs"
  done
done
