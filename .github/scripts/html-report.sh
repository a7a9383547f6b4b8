#!/usr/bin/env bash
# Usage: html-report.sh [FOLDER]
#
# Opens the HTML report of a broken server in headless Chromium, and checks that it shows the failed check in the first
# screen of a desktop and of a phone, has no error, and loads nothing. Screenshots are written to FOLDER. It needs
# Node.js and Chromium, and says so where they are missing.
set -euo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
folder=${1:+$(mkdir -p "$1" && cd "$1" && pwd)}
CHROMIUM=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "html-report: $tool is missing: install Node.js. The HTML report was not opened in a browser."
    exit 0
  fi
done
if [ -z "$CHROMIUM" ]; then
  echo 'html-report: Chromium is missing: install it. The HTML report was not opened in a browser.'
  exit 0
fi
export CHROMIUM
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$root"
go test -count=1 ./kalshiauth/contract -run '^TestWriteSampleReport$' -sample "$work/report.html" >"$work/log" ||
  { cat "$work/log"; exit 1; }
cp .github/scripts/html-report.mjs "$work"
cd "$work"
npm install --silent --no-audit --no-fund --ignore-scripts puppeteer-core@24.43.1
node html-report.mjs report.html ${folder:+"$folder"}
