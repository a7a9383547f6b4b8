#!/usr/bin/env bash
# Holds the embedded fake server against the document, in each way in which it can be used.
set -eu
cd "$(dirname "$0")/../.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth # go run would not hand the exit code on
for prefix in '' /v1; do
  for authorization in false true; do
    echo "contract: path prefix '$prefix', Authorization header: $authorization"
    "$work/kalshiauth" contract -path-prefix "$prefix" -authorization="$authorization"
  done
done
