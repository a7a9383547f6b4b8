#!/usr/bin/env bash
# Tries the contract checks with programs of others: Prism as a server and as a proxy, and curl, Node.js and Python behind
# our own proxy. It needs Node.js. npm installs Prism into a temporary directory.
set -eu
cd "$(dirname "$0")/../.."
prism=@stoplight/prism-cli@5.16.0
if ! command -v npm >/dev/null; then
  echo 'foreign: Node.js is missing, so Prism and the clients of other languages were not tried'
  exit 0
fi
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --silent "$prism"
PATH=$work:$work/node_modules/.bin:$PATH
export KALSHI_EMAIL=trader@example.com KALSHI_PASSWORD=correct-Horse7

free_port() {
  node -e 's = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })'
}

# answered FILE PATTERN waits for a line of FILE and prints what the group of PATTERN matches.
answered() {
  for _ in $(seq 300); do
    found=$(sed -nE "s#.*$2.*#\\1#p" "$1" | head -1)
    if [ -n "$found" ]; then
      echo "$found"
      return
    fi
    sleep 0.1
  done
  echo "foreign: $1 has no line like $2:" >&2
  cat "$1" >&2
  exit 1
}

# failed FILE prints the IDs of the failed checks of a JSON report.
failed() { node -p "require('$1').checks.filter(c => c.outcome == 'failed').map(c => c.id).sort().join('\n')"; }

kalshiauth serve -addr 127.0.0.1:0 -user "$KALSHI_EMAIL:$KALSHI_PASSWORD" >"$work/serve" &
server=$(answered "$work/serve" 'serving (http://[^ ]*)')

echo 'foreign: Prism as a server'
port=$(free_port)
prism mock -p "$port" api/openapi.yaml >"$work/mock" 2>&1 &
# Prism answers no request with malformed JSON, which takes the checks their time.
kalshiauth contract -base-url "$(answered "$work/mock" 'Prism is listening on (http://[^ ]*)')" -skip '*.malformed' -skip '*.odd.body' \
  -report "json=$work/mock.json" >"$work/mock.out" 2>&1 && { echo 'foreign: Prism has no memory, and no check failed'; exit 1; }
failed "$work/mock.json" | diff <(sed 's/ *#.*//; /^$/d' .github/scripts/foreign/prism-failures.txt | sort) - ||
  { echo 'foreign: other checks fail than those in prism-failures.txt'; exit 1; }

echo 'foreign: Prism as a proxy before our server'
port=$(free_port)
prism proxy -p "$port" api/openapi.yaml "$server" >"$work/proxy" 2>&1 &
kalshiauth contract -base-url "$(answered "$work/proxy" 'Prism is listening on (http://[^ ]*)')" -only '*.right' -only 'Logout.*.ends' -only 'Login.unknown' \
  -report "text=$work/proxy.txt" || { cat "$work/proxy.txt" "$work/proxy"; exit 1; }
if grep -qi 'violation' "$work/proxy"; then
  echo 'foreign: Prism reports violations:'
  cat "$work/proxy"
  exit 1
fi

echo 'foreign: curl, Node.js and Python behind our proxy'
flows=(curl node)
if command -v python3 >/dev/null; then
  flows+=(python)
else
  echo 'foreign: Python is missing, and was not tried'
fi
for flow in "${flows[@]}"; do
  kalshiauth contract proxy -listen 127.0.0.1:0 -upstream "$server" >"$work/violations" 2>"$work/listening" &
  proxy=$!
  export BASE_URL MAILS=$work/serve
  BASE_URL=$(answered "$work/listening" 'proxying (http://[^ ]*)')
  case $flow in
  curl) bash .github/scripts/foreign/flow.sh ;;
  node) node .github/scripts/foreign/flow.mjs ;;
  python) python3 .github/scripts/foreign/flow.py ;;
  esac
  kill -INT $proxy
  code=0
  wait $proxy || code=$?
  if [ $code != 0 ] || [ -s "$work/violations" ]; then
    echo "foreign: the proxy ended with $code behind $flow:"
    cat "$work/violations" "$work/listening"
    exit 1
  fi
done

echo 'foreign: a wrong request behind our proxy'
kalshiauth contract proxy -listen 127.0.0.1:0 -upstream "$server" >"$work/violations" 2>"$work/listening" &
proxy=$!
curl -s -o "$work/answer" -X POST "$(answered "$work/listening" 'proxying (http://[^ ]*)')/log_in"
kill -INT $proxy
code=0
wait $proxy || code=$?
if [ $code != 1 ] || ! grep -q 'Login: request: body: missing' "$work/violations"; then
  echo "foreign: the proxy ended with $code:"
  cat "$work/violations"
  exit 1
fi
echo 'foreign: all as expected'
