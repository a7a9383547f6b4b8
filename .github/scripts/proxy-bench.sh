#!/usr/bin/env bash
# Compares our proxy with Prism's, both before our server. It needs Node.js. The result is in .github/docs/proxy.md.
set -eu
cd "$(dirname "$0")/../.."
prism=@stoplight/prism-cli@5.16.0
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth
(cd kalshiauth/internal/bench && go build -o "$work/proxies" ./proxies)
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --silent "$prism"
PATH=$work:$work/node_modules/.bin:$PATH
export KALSHI_EMAIL=trader@example.com KALSHI_PASSWORD=correct-Horse7

# url FILE PATTERN waits for the URL that a server prints.
url() {
  for _ in $(seq 300); do
    grep -oE "$2http://[^ ]*" "$1" | grep -oE 'http://.*' | head -1 | grep . && return
    sleep 0.1
  done
  exit 1
}
kalshiauth serve -addr 127.0.0.1:0 -user "$KALSHI_EMAIL:$KALSHI_PASSWORD" >"$work/serve" &
server=$(url "$work/serve" 'serving ')
kalshiauth contract proxy -listen 127.0.0.1:0 -upstream "$server" >"$work/violations" 2>"$work/ours" &
port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
prism proxy -p "$port" api/openapi.yaml "$server" >"$work/prism" 2>&1 &
proxies "direct=$server" "kalshiauth contract proxy=$(url "$work/ours" 'proxying ')" \
  "$prism proxy=$(url "$work/prism" 'listening on ')"
