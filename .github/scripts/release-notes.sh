#!/usr/bin/env bash
# Usage: release-notes.sh TAG
#
# Prints what .github/CHANGELOG.md says of the release TAG. Fails if that is nothing.
set -euo pipefail
cd "$(dirname "$0")/../.."
version=${1#v}
notes=$(awk -v start="## [$version] - " '
  /^## / { inside = index($0, start) == 1 && $NF ~ /^[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]$/; next }
  /^\[[^]]*\]: / { next } # the target of a link
  inside && (NF || some) { print; some = 1 }
' .github/CHANGELOG.md)
if ! grep -q '^[^#]' <<<"$notes"; then
  echo "release-notes: .github/CHANGELOG.md says nothing below \"## [$version] - YYYY-MM-DD\"" >&2
  exit 1
fi
printf '%s\n' "$notes"
