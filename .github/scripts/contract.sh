#!/usr/bin/env bash
# Runs all contract checks against the fake server, with and without a path prefix.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth # go run does not return the exit code of the command
for prefix in '' /v1; do
  echo "contract: path prefix '$prefix'"
  "$work/kalshiauth" contract run -fake -path-prefix "$prefix" -strict
done
