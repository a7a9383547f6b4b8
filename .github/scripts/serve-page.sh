#!/usr/bin/env bash
# Usage: serve-page.sh [FOLDER]
#
# Opens the pages of kalshiauth serve in headless Chromium, at the sizes of a desktop and of a phone, and uses them: the
# button that ends all sessions, and the link that a password reset mails. Also calls the API from pages of other
# origins. Screenshots are written to FOLDER. It needs Node.js and Chromium, and says so where they are missing.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:+$(mkdir -p "$1" && cd "$1" && pwd)}
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "serve-page: $tool is missing: install Node.js. The pages of serve were not opened in a browser."
    exit 0
  fi
done
if [ -z "$CHROMIUM" ]; then
  echo 'serve-page: Chromium is missing: install it. The pages of serve were not opened in a browser.'
  exit 0
fi
export CHROMIUM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
go build -o "$work/kalshiauth" ./kalshiauth/cmd/kalshiauth
cp .github/scripts/serve-page.mjs "$work"
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts playwright-core@1.65.1
node serve-page.mjs ./kalshiauth ${folder:+"$folder"}
