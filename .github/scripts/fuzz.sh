#!/usr/bin/env bash
# Runs each fuzz target of each package for $1, such as 10s, and says so in a line. It ends at the first finding, whose
# input it shows, and which `go test` plays again from then on.
set -euo pipefail
cd "$(dirname "$0")/../.."
output=$(mktemp)
trap 'rm -f "$output"' EXIT
for package in $(go list ./...); do
  for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
    start=$SECONDS
    if ! go test -run='^$' -fuzz="^$target\$" -fuzztime="$1" -fuzzminimizetime=5s "$package" >"$output" 2>&1; then
      echo "fuzz: $target found something after $((SECONDS - start)) s in $package:"
      awk '!/^fuzz: elapsed/ && n++ < 20' "$output" | cut -c 1-1000
      input=$(sed -n 's/^ *Failing input written to //p' "$output")
      if [ -n "$input" ]; then
        echo "fuzz: the input is in $input below $package:"
        cat "$(go list -f '{{.Dir}}' "$package")/$input"
      fi
      exit 1
    fi
    tries=$(sed -n 's/.*execs: \([0-9]*\).*/\1/p' "$output" | tail -1)
    echo "fuzz: $target found nothing in $1, $tries tries (${package##*/})"
  done
done
