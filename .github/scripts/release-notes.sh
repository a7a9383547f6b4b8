#!/usr/bin/env bash
# Usage: release-notes.sh TAG
#
# Prints the section of .github/CHANGELOG.md about the release TAG. It is an error if there is none, or it is empty.
set -euo pipefail
cd "$(dirname "$0")/../.."
number=${1##*/}
version=${1%"$number"}${number#v} # with the directory of a module other than the root module
notes=$(awk -v start="## [$version] - " '
  /^## / { inside = index($0, start) == 1 && $NF ~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/; next }
  /^\[[^]]*\]: / { next } # the target of a link
  inside && (NF || some) { print; some = 1 }
' .github/CHANGELOG.md)
if ! grep -q '^[^#]' <<<"$notes"; then
  echo "release-notes: .github/CHANGELOG.md has no text below \"## [$version] - YYYY-MM-DD\"" >&2
  exit 1
fi
printf '%s\n' "$notes"
