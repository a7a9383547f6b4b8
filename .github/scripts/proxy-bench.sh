#!/usr/bin/env bash
# Compares our proxy with Prism's, both before our server. It needs Node.js. The result is in .github/docs/proxy.md.
set -eu
cd "$(dirname "$0")/../.."
prism=@stoplight/prism-cli@5.16.0
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth
(cd kalshiauth/internal/bench && go build -o "$work/proxies" ./proxies)
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --no-update-notifier --silent "$prism"
PATH=$work:$work/node_modules/.bin:$PATH
export KALSHI_EMAIL=trader@example.com KALSHI_PASSWORD=correct-Horse7

# url FILE PATTERN waits for the URL that a server prints.
url() {
  for _ in $(seq 300); do
    sed -nE "s#.*$2(http://[^ ]*).*#\\1#p" "$1" 2>/dev/null | head -1 | grep . && return
    sleep 0.1
  done
  echo "proxy-bench: no URL in $1" >&2
  exit 1
}

printf '[{"email": "%s", "password": "%s"}]' "$KALSHI_EMAIL" "$KALSHI_PASSWORD" >"$work/users.json"
kalshiauth serve -addr 127.0.0.1:0 -users "$work/users.json" >"$work/serve" &
server=$(url "$work/serve" 'serving ')
kalshiauth contract proxy -listen 127.0.0.1:0 -upstream "$server" >"$work/violations" 2>"$work/ours" &
ours=$(url "$work/ours" 'proxying ')
prism proxy -p 0 api/openapi.yaml "$server" >"$work/prism" 2>&1 &
theirs=$(url "$work/prism" 'listening on ')
# With -v error, Prism does not print its port. It prints only violations, as our proxy does.
port=$(node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
prism proxy -p "$port" -v error api/openapi.yaml "$server" >"$work/quiet" 2>&1 &
for _ in $(seq 300); do
  node -e 'fetch(process.argv[1]).catch(() => process.exit(1))' "http://127.0.0.1:$port" && break
done
proxies "direct=$server" "kalshiauth contract proxy=$ours" "prism proxy=$theirs" "prism proxy -v error=http://127.0.0.1:$port"
