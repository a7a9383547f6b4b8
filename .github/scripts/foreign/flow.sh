#!/usr/bin/env bash
# Logs in, logs out, and resets the password to what it is, with curl. The arguments are more flags of curl.
set -eu
flags=("$@")
call() {
  curl -sS --compressed -o "$work/body" -w '%{http_code}\n' -b "$work/jar" -c "$work/jar" \
    -H 'Content-Type: application/json' "${flags[@]}" "$@"
}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
[ "$(call "$BASE_URL/log_in" -d "{\"email\":\"$KALSHI_EMAIL\",\"password\":\"$KALSHI_PASSWORD\"}")" = 200 ]
[ "$(call -X POST "$BASE_URL/log_out")" = 204 ]
[ "$(call "$BASE_URL/passwords/reset" -d "{\"email\":\"$KALSHI_EMAIL\"}")" = 202 ]
read -r code user <<<"$(sh "$(dirname "$0")/mailed-code.sh")"
[ "$(call -X PUT "$BASE_URL/passwords/reset/$code/confirm" -d "{\"user_id\":\"$user\",\"password\":\"$KALSHI_PASSWORD\"}")" = 204 ]
