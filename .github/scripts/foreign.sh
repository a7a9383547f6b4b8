#!/usr/bin/env bash
# Tries the contract checks with programs of others: Prism as a server and as a proxy, and curl, Node.js and Python behind
# our own proxy. It needs Node.js, and says so where it is missing. npm installs Prism into a temporary directory.
set -eu
cd "$(dirname "$0")/../.."
prism=@stoplight/prism-cli@5.16.0
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "foreign: $tool is missing: install Node.js. Prism and the clients of other languages were not tried."
    exit 0
  fi
done
files=.github/scripts/foreign
work=$(mktemp -d)
# Waits for what it stops, so that nothing writes into the directory any more.
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --no-update-notifier --silent "$prism"
PATH=$work:$work/node_modules/.bin:$PATH
export MAILS=$work/serve
export KALSHI_EMAIL=trader@example.com KALSHI_PASSWORD=correct-Horse7 KALSHI_OTHER_PASSWORD=battery-Staple8
other=other@example.com

# answered FILE PATTERN waits for a line of FILE and prints what the group of PATTERN matches.
answered() {
  for _ in $(seq 300); do
    found=$(sed -nE "s#.*$2.*#\\1#p" "$1" 2>/dev/null | head -1)
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

# broken MESSAGE FILE... ends the script.
broken() {
  echo "foreign: $1"
  cat "${@:2}" /dev/null
  exit 1
}

# check URL RESET-CODE-CMD FLAG... runs the checks with everything that they can be given.
check() {
  kalshiauth contract -base-url "$1" -reset-code-cmd "$2" -other-email "$other" -strict "${@:3}"
}

# Prism answers no request with malformed JSON. Each of these checks would wait for its time limit.
unanswered=(-skip '*.malformed' -skip '*.odd.body')

flows='curl node'
if command -v python3 >/dev/null; then
  flows="$flows python3"
else
  echo 'foreign: Python is missing, and was not tried'
fi
if command -v curl >/dev/null; then
  curl -V | grep -qw HTTP2 && flows="$flows curl-http2"
else
  echo 'foreign: curl is missing, and was not tried'
  flows=${flows#curl }
fi

# flow NAME URL logs in, logs out and resets the password.
flow() {
  case $1 in
  curl) BASE_URL=$2 bash $files/flow.sh ;;
  curl-http2) BASE_URL=$2 bash $files/flow.sh --http2-prior-knowledge ;;
  node) BASE_URL=$2 node $files/flow.mjs ;;
  python3) BASE_URL=$2 python3 $files/flow.py ;;
  esac
}

# wrong URL sends a log-in without a body.
wrong() { node -e 'fetch(process.argv[1] + "/log_in", { method: "POST" }).then(answer => answer.text())' "$1"; }

printf '[{"email": "%s", "password": "%s"}, {"email": "%s", "password": "%s"}]' \
  "$KALSHI_EMAIL" "$KALSHI_PASSWORD" "$other" "$KALSHI_OTHER_PASSWORD" >"$work/users.json"
kalshiauth serve -addr 127.0.0.1:0 -users "$work/users.json" >"$MAILS" &
server=$(answered "$MAILS" 'serving (http://[^ ]*)')

echo 'foreign: Prism as a server'
prism mock -p 0 api/openapi.yaml >"$work/mock" 2>&1 &
url=$(answered "$work/mock" 'Prism is listening on (http://[^ ]*)')
code=0
check "$url" "node $files/any-code.mjs" "${unanswered[@]}" -report "json=$work/mock.json" >"$work/out" 2>&1 || code=$?
[ $code = 1 ] || broken "the checks of Prism end with $code" "$work/out"
export LC_ALL=C
sed 's/ *#.*//; /^$/d' $files/prism-failures.txt | sort >"$work/expected"
node -p "require('$work/mock.json').checks.filter(c => c.outcome != 'passed').map(c => c.id).join('\n')" | sort >"$work/failed"
diff "$work/expected" "$work/failed" || broken 'prism-failures.txt (<) lists other checks than those that fail (>)'

echo 'foreign: Prism as a proxy before our server'
prism proxy -p 0 api/openapi.yaml "$server" >"$work/proxy" 2>&1 &
url=$(answered "$work/proxy" 'Prism is listening on (http://[^ ]*)')
check "$url" "sh $files/mailed-code.sh" -only '*.right' -only '*.right.forms' -only 'Logout.*.ends' -only Login.unknown \
  -only ResetPasswordConfirm.changes >"$work/out" 2>&1 || broken 'a right flow fails behind Prism:' "$work/out" "$work/proxy"
for name in $flows; do
  [ "$name" = curl-http2 ] || flow "$name" "$url" || broken "$name fails behind Prism:" "$work/proxy" # Prism speaks HTTP/1.1
done
wrong "$url"
# The first violation must be that of the wrong request: there was none before, and Prism reports them.
[ "$(answered "$work/proxy" 'Violation: (.*)')" = 'request Body parameter is required' ] ||
  broken 'Prism reports violations:' "$work/proxy"
check "$url" "sh $files/mailed-code.sh" "${unanswered[@]}" >"$work/out" 2>&1 || broken 'a check fails behind Prism:' "$work/out"

# behind COMMAND... runs a command with the URL of our proxy as its last argument, and sets code to what the proxy ends with.
behind() {
  rm -f "$work/listening" # it has the URL of the proxy before
  kalshiauth contract proxy -listen 127.0.0.1:0 -upstream "$server" >"$work/violations" 2>"$work/listening" &
  proxy=$!
  url=$(answered "$work/listening" 'proxying (http://[^ ]*)')
  "$@" "$url" || broken "$* fails behind our proxy:" "$work/violations" "$work/listening"
  kill -INT $proxy
  code=0
  wait $proxy || code=$?
}

for name in $flows; do
  echo "foreign: $name behind our proxy"
  behind flow "$name"
  [ $code = 0 ] && [ ! -s "$work/violations" ] ||
    broken "our proxy ends with $code behind $name:" "$work/violations" "$work/listening"
done

echo 'foreign: a wrong request behind our proxy'
behind wrong
[ $code = 1 ] && grep -q 'Login: request: body: missing' "$work/violations" ||
  broken "our proxy ends with $code:" "$work/violations" "$work/listening"
echo 'foreign: all as expected'
