#!/usr/bin/env bash
# Runs the contract checks against the fake server: with the cookie and with the Authorization header, each with and
# without a path prefix.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth # go run does not return the exit code of the command
for prefix in '' /v1; do
  for authorization in false true; do
    echo "contract: path prefix '$prefix', Authorization header: $authorization"
    "$work/kalshiauth" contract -path-prefix "$prefix" -authorization="$authorization"
  done
done
